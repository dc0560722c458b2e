"""`twolane check` on made code bases of 100,000 and 300,000 lines, in many files and in a few huge ones, beside ruff and mypy.

All of it is CPU of the process that is measured, so mypy can work on the other core meanwhile.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.measure import Report, Scale, at_most, scratch

LINES = 100_000
TIMES = 3
ROUNDS = 2
METHODS = {"many": 20, "huge": 1_500}  # of a class: the latter are files of some 20,000 lines

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


def started(*command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def cpu_s(process: subprocess.Popen[bytes]) -> float:
    """Seconds of CPU of a process, once it has ended."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime


def run(scale: Scale) -> Report:
    with scratch() as folder:
        at = {"many": folder / "many", "huge": folder / "huge"}
        lines = {name: make(at[name], LINES, METHODS[name]) for name in at}
        mypy = started("mypy", "--cache-dir", str(folder / "cache"), str(at["many"] / "shop"))
        told = {
            name: min((checked(at[name]) for _ in range(min(scale.rounds, ROUNDS))), key=lambda t: t["s"])
            for name in at
        }
        larger = {name: larger_beside(told[name]["s"] / lines[name], folder, name) for name in at}
        ruff_s = cpu_s(started("ruff", "check", "--no-cache", "--isolated", str(at["many"])))
        mypy_s = cpu_s(mypy)
    peak_bytes = max(each["bytes"] for each in told.values())
    return Report(
        [
            at_most("check of 100,000 lines, CPU", told["many"]["s"] * LINES / lines["many"], 10, " s"),
            at_most("the same in huge files", told["huge"]["s"] * LINES / lines["huge"], 10, " s"),
            at_most("peak memory of the larger of the two", peak_bytes / 1e6, 400, " MB"),
            *(
                at_most(
                    f"time a line at {TIMES}00,000 in {name} files over 100,000 (linear is 1)", ratio, 1.5
                )
                for name, ratio in larger.items()
            ),
        ],
        {
            "check": f"{lines['many'] / told['many']['s']:,.0f} lines/s, {told['many']['sites']:.0f} sites",
            "check, huge files": f"{lines['huge'] / told['huge']['s']:,.0f} lines/s, {told['huge']['sites']:.0f} sites",
            "ruff check, no cache": f"{lines['many'] / ruff_s:,.0f} lines/s",
            "mypy, no cache": f"{lines['many'] / mypy_s:,.0f} lines/s",
        },
    )


def larger_beside(line_s: float, folder: Path, name: str) -> float:
    """What a line of a larger code base takes over one of the smaller."""
    lines = make(folder / f"{name}{TIMES}", TIMES * LINES, METHODS[name])
    return checked(folder / f"{name}{TIMES}")["s"] / lines / line_s
