"""Exit codes, the same for every command."""

from __future__ import annotations

from twolane.values.errors import (
    ArgumentsRefused,
    DefinitionError,
    QueueError,
    SettingsError,
    TwolaneError,
    UsageError,
)

OK = 0
"""Done; of a worker: stopped, and everything it ran was finished or given back."""
NOTHING_DONE = 1
"""No such message, or nothing to do."""
USAGE = 2
"""Wrong usage, a wrong target, a setting that cannot hold."""
QUEUE = 3
"""The queue is missing, damaged, too new, or cannot be used."""
APP = 4
"""The app failed: an exception in its import or its lifespan, or its process died before it was ready."""
NOT_DRAINED = 5
"""A worker was ended before it had given everything back; what it ran is run again by another one."""
NOT_TOLD = 6
"""A target did not accept a test alert."""
REPLACE = 75
"""From a worker process to its parent: start another at once. The parent never ends with it."""


def of(error: TwolaneError) -> int:
    """The exit code of an error that ends a command."""
    match error:
        case SettingsError() | ArgumentsRefused() | UsageError():
            return USAGE
        case QueueError():
            return QUEUE
        case DefinitionError():
            return APP
        case _:
            return NOTHING_DONE
