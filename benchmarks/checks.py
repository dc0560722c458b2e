"""`twolane check` on a made code base of 100,000 lines, beside ruff and mypy on the same tree."""

import json
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.measure import Report, Scale, at_most, scratch

LINES = 100_000
SMALL = LINES // 4

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
began = time.perf_counter()
from pathlib import Path
from twolane.check.checking import check
report = check(Path(sys.argv[1]))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(json.dumps({"s": time.perf_counter() - began, "bytes": peak, "lines": report.lines, "sites": len(report.sites)}))
"""


def make(folder: Path, lines: int) -> int:
    """Write a code base of about that many lines; answers how many it has."""
    made, n = 0, 0
    for part in ("", "routes", "services"):
        (folder / "shop" / part).mkdir(parents=True, exist_ok=True)
        (folder / "shop" / part / "__init__.py").write_text("")
    while made < lines:
        names = {"n": n, "before": max(n - 1, 0)}
        routes = ROUTES.format(**names) + "".join(HANDLER.format(i=i, **names) for i in range(3))
        service = SERVICE.format(**names) + "".join(METHOD.format(i=i) for i in range(20))
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
        small, large = folder / "small", folder / "large"
        made_small, made = make(small, SMALL), make(large, LINES)
        few = min((checked(small) for _ in range(scale.rounds)), key=lambda told: told["s"])
        many = min((checked(large) for _ in range(scale.rounds)), key=lambda told: told["s"])
        ruff_s = seconds("ruff", "check", "--no-cache", "--isolated", str(large))
        mypy_s = seconds("mypy", "--cache-dir", str(folder / "cache"), str(large / "shop"))
    per_line = (many["s"] / made) / (few["s"] / made_small)
    return Report(
        [
            at_most("check of 100,000 lines", many["s"] * LINES / made, 10, " s"),
            at_most("peak memory of that", many["bytes"] / 1e6, 400, " MB"),
            at_most("time a line at 100,000 over that at 25,000 (linear is 1)", per_line, 1.5),
        ],
        {
            "check": f"{made / many['s']:,.0f} lines/s, {many['sites']:.0f} sites",
            "ruff check, no cache": f"{made / ruff_s:,.0f} lines/s",
            "mypy, no cache": f"{made / mypy_s:,.0f} lines/s",
        },
    )
