"""What `import twolane` takes, and how much memory an idle worker holds over the app it imported."""

import json
import subprocess
import sys
import time

from benchmarks import processes
from benchmarks.measure import Report, Scale, at_most, interleave, rates, ratio, scratch

PUBLIC = "from twolane import Blob, TaskContext, Tasks, Ticket"
"""All of the first screen's example that needs no FastAPI."""

LIST = f"""
import json, sys
before = set(sys.modules)
{PUBLIC}
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


def run(scale: Scale) -> Report:
    loaded = json.loads(in_fresh_python(LIST))
    stdlib = [name for name in loaded if name.partition(".")[0] in sys.stdlib_module_names]
    strangers = [name for name in loaded if name not in stdlib and name.partition(".")[0] != "twolane"]
    floor = f"import {', '.join(stdlib)}"
    found = interleave(
        {
            "import twolane": lambda _: float(in_fresh_python(TIMED.format(PUBLIC))) * 1000,
            "its standard library": lambda _: float(in_fresh_python(TIMED.format(floor))) * 1000,
        },
        scale.rounds * 3,
    )
    app_bytes, worker_bytes = idle_memory()
    return Report(
        [
            at_most("import over the stdlib modules it uses", ratio(*found.values()), 1.2),
            at_most(f"third-party modules it loads {strangers or ''}", len(strangers), 0, ""),
            at_most("idle worker over the imported app", (worker_bytes - app_bytes) / 1e6, 20, "MB"),
        ],
        {
            **rates(found, " ms"),
            "the imported app": f"{app_bytes / 1e6:.0f} MB",
            "the idle worker": f"{worker_bytes / 1e6:.0f} MB",
        },
    )
