"""What `import twolane` takes, and how much memory an idle worker holds over the app it imported."""

import json
import subprocess
import sys
import time

from benchmarks import processes
from benchmarks.measure import Report, Scale, at_most, interleave, rates, ratio, scratch

BARE = "import twolane"
FIRST_USE = "from twolane import Blob, TaskContext, Tasks, Ticket"
"""What an app's first import really loads, short of FastAPI: for the record, no target names it."""

LIST = """
import json, sys
before = set(sys.modules)
{}
print(json.dumps(sorted(set(sys.modules) - before)))
"""
TIMED = """
import time
began = time.process_time()
{}
print(time.process_time() - began)
"""
IDLE_S = 3.0


def in_fresh_python(script: str) -> str:
    command = [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}\n{script}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def idle_memory() -> tuple[int, int]:
    """Bytes of the imported app, and of a worker that has run one task and waited."""
    with scratch() as folder:
        with processes.run([sys.executable, "-m", "benchmarks.app"], folder) as app:
            alone = app.told()["memory_bytes"]
        with processes.queue_in(folder), processes.worker(folder) as worker:
            from benchmarks.app import tasks, tell_usage

            for _ in range(2):
                tasks.send_blocking(tell_usage)
                told = worker.told()
                time.sleep(IDLE_S)
            return alone, told["memory_bytes"]


def loaded_by(statement: str) -> tuple[list[str], list[str]]:
    """The modules of the standard library that a statement loads, and those of third parties."""
    loaded = json.loads(in_fresh_python(LIST.format(statement)))
    stdlib = [name for name in loaded if name.partition(".")[0] in sys.stdlib_module_names]
    return stdlib, [name for name in loaded if name not in stdlib and name.partition(".")[0] != "twolane"]


def run(scale: Scale) -> Report:
    verdicts, figures = [], {}
    for statement, limit in ((BARE, 1.2), (FIRST_USE, None)):
        stdlib, strangers = loaded_by(statement)
        found = interleave(
            {
                statement: lambda _, it=statement: cpu_ms(it),
                f"the {len(stdlib)} stdlib modules of that": lambda _, it=stdlib: cpu_ms(
                    f"import {', '.join(it)}"
                ),
            },
            scale.rounds * 3,
        )
        if limit:
            verdicts.append(
                at_most(f"{statement}, over the stdlib modules it uses", ratio(*found.values()), limit)
            )
        verdicts.append(at_most(f"{statement}: third-party modules {strangers or ''}", len(strangers), 0, ""))
        figures |= rates(found, " ms")
    app_bytes, worker_bytes = idle_memory()
    return Report(
        [*verdicts, at_most("idle worker over the imported app", (worker_bytes - app_bytes) / 1e6, 20, "MB")],
        {
            **figures,
            "the imported app": f"{app_bytes / 1e6:.0f} MB",
            "the idle worker": f"{worker_bytes / 1e6:.0f} MB",
        },
    )


def cpu_ms(statement: str) -> float:
    return float(in_fresh_python(TIMED.format(statement))) * 1000
