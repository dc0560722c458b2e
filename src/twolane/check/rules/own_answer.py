"""TL401 and TL402: the answer that a twolane task gives, and a body that says otherwise."""

from __future__ import annotations

from twolane.check.rule import Rule

IGNORED = Rule(
    code="TL401",
    title='if_lost="ignore" on work that a human must know about',
    says="finding",
    reason=(
        "The task says that nobody needs to know, and its body writes rows, moves a status, sends a mail that somebody "
        'waits for. One of the two is wrong: change the answer to `if_lost="alert"`, or move the work out.'
    ),
    bad="""
@tasks.task(if_lost="ignore")
def book(order_id: int) -> None:
    with SessionLocal() as db:
        db.add(Invoice(order_id=order_id))
        db.commit()
""",
    good="""
@tasks.task(if_lost="ignore")
def forget(order_id: int) -> None:
    cache.delete(f"order:{order_id}")
""",
)

QUEUED = Rule(
    code="TL402",
    title='if_lost="alert" on work that may be lost',
    says="finding",
    reason=(
        "Everything that the task reaches is harmless: a cache, a temporary file, a log. The queue keeps it, retries it "
        'and wakes somebody for it. That only costs money and attention; `if_lost="ignore"` is enough.'
    ),
    bad="""
@tasks.task(if_lost="alert")
def forget(order_id: int) -> None:
    cache.delete(f"order:{order_id}")
""",
    good="""
@tasks.task(if_lost="alert")
def book(order_id: int) -> None:
    with SessionLocal() as db:
        db.add(Invoice(order_id=order_id))
        db.commit()
""",
)
