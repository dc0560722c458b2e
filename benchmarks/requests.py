"""What the middleware and a background task cost a request over uvicorn: CPU time of the server."""

import statistics

from benchmarks import processes
from benchmarks.measure import Report, Scale, at_most, ratio, scratch

ROUNDS = 20
REQUESTS = 200
CASES = [(app, path) for app in ("app", "plain") for path in ("/task", "/none")]


def run(scale: Scale) -> Report:
    del scale
    found: dict[tuple[str, str], list[float]] = {case: [] for case in CASES}
    with (
        scratch() as ours,
        scratch() as theirs,
        processes.server("app", ours) as app,
        processes.server("plain", theirs) as plain,
    ):
        servers = {"app": app, "plain": plain}
        for number in range(ROUNDS + 2):
            for name, path in CASES if number % 2 else reversed(CASES):
                cpu_s = servers[name].cpu_s(path, REQUESTS)
                if number >= 2:  # the first ones warm up
                    found[name, path].append(cpu_s)
    return Report(
        [
            at_most(
                "CPU of a request, one background task",
                ratio(found["app", "/task"], found["plain", "/task"]),
                1.25,
            ),
            at_most(
                "CPU of a request without a task", ratio(found["app", "/none"], found["plain", "/none"]), 1.05
            ),
        ],
        {
            f"{'twolane' if name == 'app' else 'FastAPI'} {path}": f"{statistics.median(seconds) / REQUESTS * 1e6:.0f} us of CPU"
            for (name, path), seconds in found.items()
        },
    )
