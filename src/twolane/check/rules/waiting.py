"""TL106: the task waits."""

from __future__ import annotations

import ast

from twolane.check.body import Call
from twolane.check.rule import Rule, shown

SLEEPS = frozenset(
    ["time.sleep", "asyncio.sleep", "anyio.sleep", "trio.sleep", "eventlet.sleep", "gevent.sleep"]
)


def sleeps(call: Call) -> bool:
    """Whether a call waits, for longer than a turn of the event loop."""
    if call.outside not in SLEEPS:
        return False
    match call.args:
        case (ast.Constant(value=int(seconds) | float(seconds)), *_):
            return seconds >= 1
        case _:
            return True


def _waits(call: Call) -> str | None:
    return f"waits: {shown(call.node)}" if sleeps(call) else None


RULE = Rule(
    code="TL106",
    title="waits",
    says="queue",
    weight=3,
    reason=(
        "A task that sleeps polls for something, paces itself or tries again later: it lives for minutes where a deploy "
        "comes at any second, and what it waits for is what somebody wants. In 32 public code bases no task that may "
        "be lost sleeps. A queue does the waiting with `delay_s`, `RetryLater` and backoff."
    ),
    bad="""
async def watch(export_id: str) -> None:
    while not is_ready(export_id):
        await asyncio.sleep(10)
    publish(export_id)

@app.post("/exports")
async def export(export_id: str, background_tasks: BackgroundTasks):
    background_tasks.add_task(watch, export_id)
""",
    good="""
@tasks.task(if_lost="alert", because="the export would never be published")
async def watch(export_id: str) -> None:
    if not is_ready(export_id):
        raise RetryLater(10)
    publish(export_id)

@app.post("/exports")
async def export(export_id: str, lanes: Lanes):
    lanes.add_task(watch, export_id)
""",
    of_call=_waits,
)
