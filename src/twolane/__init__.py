"""twolane: if this task vanishes, does a human need to know?

Every name here is public; each is loaded at its first use, so that `import twolane` loads nothing
but what the standard library brings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import Annotated

    from fastapi import Depends

    from twolane import csvfile as csvfile
    from twolane.engine.context import TaskContext as TaskContext
    from twolane.engine.filling import given as given
    from twolane.engine.targets import Death as Death
    from twolane.engine.task import Task as Task
    from twolane.face import Tasks as Tasks
    from twolane.fastapi.lanes import RequestLanes, request_lanes
    from twolane.values.blob import Blob as Blob
    from twolane.values.errors import ArgumentsRefused as ArgumentsRefused
    from twolane.values.errors import BlobError as BlobError
    from twolane.values.errors import BlobTooLarge as BlobTooLarge
    from twolane.values.errors import DefinitionError as DefinitionError
    from twolane.values.errors import GiveUp as GiveUp
    from twolane.values.errors import Interrupted as Interrupted
    from twolane.values.errors import QueueError as QueueError
    from twolane.values.errors import RetryLater as RetryLater
    from twolane.values.errors import SendError as SendError
    from twolane.values.errors import SendRefused as SendRefused
    from twolane.values.errors import SendUnknown as SendUnknown
    from twolane.values.errors import SettingsError as SettingsError
    from twolane.values.errors import TwolaneError as TwolaneError
    from twolane.values.errors import UploadRefused as UploadRefused
    from twolane.values.errors import UsageError as UsageError
    from twolane.values.policy import Backoff as Backoff
    from twolane.values.public_record import Record as Record
    from twolane.values.record import State as State
    from twolane.values.thresholds import Thresholds as Thresholds
    from twolane.values.ticket import Lane as Lane
    from twolane.values.ticket import Ticket as Ticket
    from twolane.values.upload_form import UploadForm as UploadForm

    Lanes = Annotated[RequestLanes, Depends(request_lanes)]

_HOMES = {
    "Blob": "values.blob",
    "Death": "engine.targets",
    "TaskContext": "engine.context",
    "Task": "engine.task",
    "given": "engine.filling",
    "Tasks": "face",
    "Backoff": "values.policy",
    "Lane": "values.ticket",
    "Record": "values.public_record",
    "State": "values.record",
    "Thresholds": "values.thresholds",
    "Ticket": "values.ticket",
    "UploadForm": "values.upload_form",
    **dict.fromkeys(
        (
            "ArgumentsRefused",
            "BlobError",
            "BlobTooLarge",
            "DefinitionError",
            "GiveUp",
            "Interrupted",
            "QueueError",
            "RetryLater",
            "SendError",
            "SendRefused",
            "SendUnknown",
            "SettingsError",
            "TwolaneError",
            "UploadRefused",
            "UsageError",
        ),
        "values.errors",
    ),
}

__all__ = [
    "ArgumentsRefused",
    "Backoff",
    "Blob",
    "BlobError",
    "BlobTooLarge",
    "Death",
    "DefinitionError",
    "GiveUp",
    "Interrupted",
    "Lane",
    "Lanes",
    "QueueError",
    "Record",
    "RetryLater",
    "SendError",
    "SendRefused",
    "SendUnknown",
    "SettingsError",
    "State",
    "Task",
    "TaskContext",
    "Tasks",
    "Thresholds",
    "Ticket",
    "TwolaneError",
    "UploadForm",
    "UploadRefused",
    "UsageError",
    "csvfile",
    "given",
]


def __getattr__(name: str) -> Any:
    import importlib

    if name == "Lanes":
        value = importlib.import_module("twolane.fastapi.lanes").Lanes
    elif name == "csvfile":
        value = importlib.import_module("twolane.csvfile")
    elif name in _HOMES:
        value = getattr(importlib.import_module(f"twolane.{_HOMES[name]}"), name)
    else:
        raise AttributeError(f"module 'twolane' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
