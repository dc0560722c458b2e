"""`twolane check` on made code bases of 100,000 to 400,000 lines, in many files and in a few huge ones, beside ruff and mypy."""

import json
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.measure import Report, Scale, at_most, scratch

LINES = 100_000
LARGER = (2, 4)
FEW = 1_500  # methods of a class: files of some 20,000 lines

ROUTES = """\
from fastapi import APIRouter, BackgroundTasks, Depends
from shop.services.service_{n} import Service_{n}, notify_{n}
from shop.services.service_{before} import Service_{before}

router = APIRouter()


"""
HANDLER = '''\
@router.post("/things_{n}/{i}")
async def create_{n}_{i}(name: str, background_tasks: BackgroundTasks, service: Service_{n} = Depends(Service_{n})) -> dict[str, str]:
    """Make one."""
    found = service.method_{i}(name)
    background_tasks.add_task(service.method_{i}, name)
    background_tasks.add_task(notify_{n}, name, "welcome.html")
    other = Service_{before}()
    return {{"name": other.method_{i}(found)}}


'''
SERVICE = """\
import os
import smtplib


def notify_{n}(to: str, template: str) -> None:
    with smtplib.SMTP("mail") as server:
        server.sendmail("us@example.org", to, template)


class Service_{n}:
"""
METHOD = '''\
    def method_{i}(self, name: str) -> str:
        """Do one thing."""
        values = [part.strip() for part in name.split(",")]
        total = 0
        for value in values:
            if value.isdigit():
                total += int(value)
            else:
                total -= len(value)
        if os.path.exists(name):
            self.session.add(name)
            self.session.commit()
        return f"{{name}}: {{total}}"

'''
PROBE = """
import json, resource, sys, time
from pathlib import Path
from twolane.check.checking import check
began = time.process_time()
report = check(Path(sys.argv[1]))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(json.dumps({"s": time.process_time() - began, "bytes": peak, "lines": report.lines, "sites": len(report.sites)}))
"""


def make(folder: Path, lines: int, methods: int = 20) -> int:
    """Write a code base of about that many lines with so many methods a class; answers how many lines it has."""
    made, n = 0, 0
    for part in ("", "routes", "services"):
        (folder / "shop" / part).mkdir(parents=True, exist_ok=True)
        (folder / "shop" / part / "__init__.py").write_text("")
    while made < lines:
        names = {"n": n, "before": max(n - 1, 0)}
        routes = ROUTES.format(**names) + "".join(
            HANDLER.format(i=i, **names) for i in range(3 * methods // 20)
        )
        service = SERVICE.format(**names) + "".join(METHOD.format(i=i) for i in range(methods))
        (folder / "shop" / "routes" / f"route_{n}.py").write_text(routes)
        (folder / "shop" / "services" / f"service_{n}.py").write_text(service)
        made += routes.count("\n") + service.count("\n")
        n += 1
    return made


def checked(folder: Path) -> dict[str, float]:
    command = [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}\n{PROBE}", str(folder)]
    told: dict[str, float] = json.loads(
        subprocess.run(command, check=True, capture_output=True, text=True).stdout
    )
    return told


def seconds(*command: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", *command], check=False, capture_output=True)
    return time.perf_counter() - began


def run(scale: Scale) -> Report:
    with scratch() as folder:
        many, few = folder / "many", folder / "few"
        lines = {at: make(at, LINES, methods) for at, methods in ((many, 20), (few, FEW))}
        told = {at: min((checked(at) for _ in range(scale.rounds)), key=lambda t: t["s"]) for at in lines}
        ruff_s = seconds("ruff", "check", "--no-cache", "--isolated", str(many))
        mypy_s = seconds("mypy", "--cache-dir", str(folder / "cache"), str(many / "shop"))
        larger = {
            (at.name, times): _a_line(folder / f"{at.name}{times}", times, methods)
            / (told[at]["s"] / lines[at])
            for at, methods in ((many, 20), (few, FEW))
            for times in LARGER
        }
    return Report(
        [
            at_most("check of 100,000 lines, CPU", told[many]["s"] * LINES / lines[many], 10, " s"),
            at_most("the same in huge files", told[few]["s"] * LINES / lines[few], 10, " s"),
            at_most(
                "peak memory of the larger", max(each["bytes"] for each in told.values()) / 1e6, 400, " MB"
            ),
            *(
                at_most(
                    f"time a line at {times}00,000 in {name} files over 100,000 (linear is 1)", ratio, 1.5
                )
                for (name, times), ratio in larger.items()
            ),
        ],
        {
            "check": f"{lines[many] / told[many]['s']:,.0f} lines/s, {told[many]['sites']:.0f} sites",
            "check, huge files": f"{lines[few] / told[few]['s']:,.0f} lines/s, {told[few]['sites']:.0f} sites",
            "ruff check, no cache": f"{lines[many] / ruff_s:,.0f} lines/s",
            "mypy, no cache": f"{lines[many] / mypy_s:,.0f} lines/s",
        },
    )


def _a_line(folder: Path, times: int, methods: int) -> float:
    lines = make(folder, times * LINES, methods)
    return checked(folder)["s"] / lines
