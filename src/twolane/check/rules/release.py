"""TL202: the task gives back something that lives in this process only."""

from __future__ import annotations

from twolane.check.body import Call
from twolane.check.rule import Rule, shown
from twolane.check.words import words

_GIVES = frozenset(
    "aclose task_done remove_listener wait_closed release_lock abort dispose".split()  # noqa: SIM905
)
"""Nobody says these of a customer's things."""
_ENDS_THINGS = frozenset(
    "release disconnect shutdown cancel unlock stop terminate kill cleanup unsubscribe unregister".split()  # noqa: SIM905
)
"""A machine, an account, an order or a seat is stopped, cancelled or released too: only on what a process holds."""
_HELD = frozenset(
    [
        "lock", "locks", "semaphore", "semaphores", "sem", "mutex", "limiter", "conn", "connection", "connections", "pool", "executor",
        "loop", "thread", "timer", "future", "socket", "sockets", "websocket", "ws", "sock", "pubsub", "listener", "reader", "writer",
        "transport", "driver", "browser", "proc", "tunnel", "tempdir", "tmpdir", "tempfile", "redis",
    ]
)  # fmt: skip
_CLOSED = _HELD | frozenset(
    [
        "client", "session", "engine", "page", "context", "server", "response", "resp", "stream", "streamer", "generator", "gen",
        "file", "fh", "fp", "buffer", "cursor", "queue", "db", "database", "smtp", "ftp", "sftp", "producer", "consumer", "crawler",
        "stack", "temp", "tmp", "zip", "archive", "image", "img", "process", "worker", "ssh", "channel",
    ]
)  # fmt: skip
"""A ticket and a position are closed too."""
_CLOSES = frozenset(["close", "close_all", "close_connection"])
_ON = dict.fromkeys(_ENDS_THINGS, _HELD) | dict.fromkeys(_CLOSES, _CLOSED)
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
    if "." not in call.text:
        return None
    held = _ON.get(call.name, frozenset[str]()) & _last_words(call)
    if call.receiver & _ROWS and not (held and call.name in _CLOSES):
        return None
    if held or call.name in _GIVES:
        return f"gives back what only this process holds: {shown(call.node)}"
    return None


def _last_words(call: Call) -> set[str]:
    """What the method is called on, by the last word of its name and of its class."""
    of = words(call.text.rpartition(".")[0].removesuffix("()"))
    return {*of[-1:], *words(call.outside.rpartition(".")[0].removesuffix("()"))[-1:]}


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
