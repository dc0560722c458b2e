"""`python -m benchmarks [--quick] [--write] [names]`: exit code 1 if a target is missed."""

import argparse
import importlib
import os
import sys
import time

from benchmarks import results
from benchmarks.measure import FULL, QUICK, Report, Scale

NAMES = (
    "footprint",
    "functions",
    "latency",
    "requests",
    "sends",
    "drains",
    "backlog",
    "watch",
    "imports",
    "checks",
    "aws",
)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Speed beside bare sketches and peers."
    )
    parser.add_argument("names", nargs="*", help=f"which: {', '.join(NAMES)}; all by default")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, smaller files: for a first look")
    parser.add_argument(
        "--write", action="store_true", help="write the absolute figures to benchmarks/RESULTS.md"
    )
    options = parser.parse_args()
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    for name in [
        name for name in os.environ if name.startswith("TWOLANE_") and name != "TWOLANE_BENCH_FOLDER"
    ]:
        del os.environ[name]
    reports: dict[str, Report] = {}
    for name in options.names or NAMES:
        reports[name] = measured(name, QUICK if options.quick else FULL)
        if options.write:  # each time: a benchmark that fails takes nothing of the others with it
            results.write(reports)
    missed = [verdict for report in reports.values() for verdict in report.verdicts if not verdict.ok]
    print(f"{len(missed)} target(s) missed" if missed else "all targets are met")
    return 1 if missed else 0


def measured(name: str, scale: Scale) -> Report:
    began = time.perf_counter()
    report: Report = importlib.import_module(f"benchmarks.{name}").run(scale)
    print(f"{name} ({time.perf_counter() - began:.0f} s)")
    for verdict in report.verdicts:
        print(f"  {verdict}")
    for what, figure in report.figures.items():
        print(f"    {what}: {figure}")
    return report


if __name__ == "__main__":
    sys.exit(main())
