"""TL203: the task writes to the log."""

from __future__ import annotations

from twolane.check.body import Call
from twolane.check.rule import Rule, shown

_LOGS = frozenset("log logs logger logging loguru console structlog lg logfire sentry".split())  # noqa: SIM905
_LEVELS = frozenset("debug info warning warn error exception critical log success trace fatal".split())  # noqa: SIM905


def is_log(call: Call) -> bool:
    """Whether a call writes to a log or to standard output."""
    if call.outside in (
        "print",
        "pprint.pprint",
        "rich.print",
        "traceback.print_exc",
        "sys.stdout.write",
        "sys.stderr.write",
    ):
        return True
    if call.outside.startswith(("logging.", "loguru.", "structlog.", "sentry_sdk.", "warnings.")):
        return True
    return call.name in _LEVELS and bool(call.receiver & _LOGS)


def _logs(call: Call) -> str | None:
    return f"writes to the log: {shown(call.node)}" if is_log(call) else None


RULE = Rule(
    code="TL203",
    title="writes to the log",
    says="background",
    weight=1,
    reason=(
        "A line in the log is there for whoever looks. A task that does nothing else may be lost. Beside other work it "
        "says nothing."
    ),
    bad="""
def note(order_id: int, db: Session) -> None:
    logger.info("order %s", order_id)
    db.add(Order(id=order_id))
    db.commit()

@app.post("/orders")
def create(order_id: int, background_tasks: BackgroundTasks):
    background_tasks.add_task(note, order_id, SessionLocal())
""",
    good="""
def note(order_id: int) -> None:
    logger.info("order %s", order_id)

@app.post("/orders")
def create(order_id: int, background_tasks: BackgroundTasks):
    orders.create(order_id)
    background_tasks.add_task(note, order_id)
""",
    of_call=_logs,
)
