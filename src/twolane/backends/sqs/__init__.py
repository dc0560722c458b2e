"""A queue on Amazon SQS with a state store beside it. Floor 3: knows the contracts, not the engine.

What reads addresses is loaded by every process; the queue itself where the address is one of SQS's.
"""

from typing import TYPE_CHECKING, Any

from twolane.backends.sqs.addresses import Address, read_address

if TYPE_CHECKING:
    from twolane.backends.sqs.depths import NoRecords
    from twolane.backends.sqs.queue import SqsQueue
    from twolane.backends.sqs.records import StateRecords
    from twolane.backends.sqs.stateless import StatelessSqsQueue

_HOMES = {
    "NoRecords": "depths",
    "SqsQueue": "queue",
    "StateRecords": "records",
    "StatelessSqsQueue": "stateless",
}

__all__ = ["Address", "NoRecords", "SqsQueue", "StateRecords", "StatelessSqsQueue", "read_address"]


def __getattr__(name: str) -> Any:
    import importlib

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
