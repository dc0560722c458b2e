"""twolane's own tasks: does the body of each agree with its answer?"""

from __future__ import annotations

from collections.abc import Iterator

from twolane.check.evidence import Gatherer
from twolane.check.module_tasks import OwnTask, own_tasks
from twolane.check.tree import Module
from twolane.check.verdict import judge

_SURE = {True: 4, False: 3}
"""A mail of which nothing says who waits for it contradicts nobody."""


def answers(gatherer: Gatherer, module: Module) -> Iterator[tuple[int, str, str]]:
    """Where an answer and a body disagree: the line, the code, the reason."""
    if "if_lost" not in module.text:
        return
    for task in own_tasks(gatherer.names, module):
        said = _disagrees(gatherer, task)
        if said is not None:
            yield task.line, *said


def _disagrees(gatherer: Gatherer, task: OwnTask) -> tuple[str, str] | None:
    judged = judge(gatherer.gather(task.site))
    why = judged.evidence[0] if judged.evidence else None
    if why is None:
        return None
    where = f"{why.path}:{why.line}"
    if task.answer == "ignore" and judged.verdict == "queue" and why.weight >= _SURE[why.code == "TL103"]:
        return "TL401", f'{task.name} says if_lost="ignore", and {why.reason} ({where})'
    if task.answer == "alert" and judged.verdict == "background":
        return (
            "TL402",
            f'{task.name} says if_lost="alert", and {why.reason} ({where}): the queue only costs money',
        )
    return None
