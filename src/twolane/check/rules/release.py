"""TL202: the task gives back something that lives in this process only."""

from __future__ import annotations

from twolane.check.body import Call
from twolane.check.rule import Rule, shown

_GIVES = frozenset(
    [
        "release",
        "abort",
        "close",
        "aclose",
        "disconnect",
        "shutdown",
        "cancel",
        "unlock",
        "dispose",
        "stop",
        "terminate",
        "kill",
        "cleanup",
        "task_done",
        "release_lock",
        "close_all",
        "remove_listener",
        "unsubscribe",
        "unregister",
        "wait_closed",
    ]
)
_ENDS = frozenset(["os._exit", "os.kill", "sys.exit", "signal.raise_signal", "os.killpg"])
_ROWS = frozenset(
    [
        "order",
        "subscription",
        "job",
        "repo",
        "repository",
        "db",
        "booking",
        "payment",
        "reservation",
        "service",
        "crud",
        "account",
    ]
)


def _releases(call: Call) -> str | None:
    if call.outside in _ENDS:
        return f"ends this process: {shown(call.node)}"
    if call.name in _GIVES and "." in call.text and not call.receiver & _ROWS:
        return f"gives back what only this process holds: {shown(call.node)}"
    return None


RULE = Rule(
    code="TL202",
    title="gives back what this process holds",
    says="background",
    weight=3,
    reason=(
        "A semaphore, a lock, a connection, a request to a local engine: if the process dies they are gone with it, so "
        "there is nothing left to release. A queue would release what nobody holds any more."
    ),
    bad="""
def end(job_id: str) -> None:
    slots.release()
    job = jobs.find(job_id)
    job.status = "completed"

@app.post("/jobs/{job_id}/end")
def finish(job_id: str, background_tasks: BackgroundTasks):
    background_tasks.add_task(end, job_id)
""",
    good="""
slots = asyncio.Semaphore(4)

def release() -> None:
    slots.release()

@app.post("/generate")
async def generate(background_tasks: BackgroundTasks):
    await slots.acquire()
    background_tasks.add_task(release)
    return StreamingResponse(tokens(), background=background_tasks)
""",
    of_call=_releases,
)
