"""Every error twolane raises, and what a task raises to say what should become of it.

    TwolaneError
    ├── DefinitionError            a task cannot be defined like this
    ├── UsageError                 a call in a place where it cannot keep its word
    ├── SettingsError              a setting that cannot hold
    ├── SendError                  ids: which messages
    │   ├── SendRefused            nothing was stored
    │   │   ├── ArgumentsRefused   which argument, and why
    │   │   └── BlobSpent          all tasks with this blob have ended
    │   └── SendUnknown            it may have been stored: send again under the same id
    ├── QueueError                 the queue cannot be used (now)
    │   ├── QueueMissing
    │   ├── QueueDamaged
    │   └── QueueTooNew
    ├── EnvelopeError
    │   ├── EnvelopeUnreadable
    │   └── EnvelopeTooNew
    ├── BlobError
    │   ├── BlobMissing
    │   ├── BlobMismatch
    │   ├── BlobTooLarge
    │   └── UploadRefused          a file that was to come is not there, or not this one
    └── Verdict                    raised by a task about itself
        ├── RetryLater
        └── GiveUp

`Interrupted` stands apart: it derives from BaseException, so that a task's own
`except Exception` cannot swallow its cancellation.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta


class TwolaneError(Exception):
    """The root of every error of twolane."""


class DefinitionError(TwolaneError, TypeError):
    """A task cannot be defined like this; the sentence says what to write instead."""


class UsageError(TwolaneError, RuntimeError):
    """A call was made where it cannot keep its word, such as `add_task` in a WebSocket."""


class SettingsError(TwolaneError, ValueError):
    """A setting that cannot hold: a queue on a network file system, an address that does not parse."""


class SendError(TwolaneError):
    """A send that did not end as stored.

    Args:
        message: what happened, to which task, and what to do.
        ids: the message ids the outcome is about.
    """

    def __init__(self, message: str, ids: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.ids = tuple(ids)


class SendRefused(SendError):
    """Nothing was stored and nothing will run."""


class ArgumentsRefused(SendRefused, ValueError):
    """The arguments do not fit the task's signature or cannot be stored; nothing was stored."""


class BlobSpent(SendRefused):
    """All messages that named a blob have ended: it is about to be deleted, and no other can name it."""


class SendUnknown(SendError):
    """The messages may have been stored. Send again under the same ids: a stored one is not stored twice."""


class QueueError(TwolaneError):
    """The queue cannot be used now."""


class QueueMissing(QueueError):
    """There is no queue at this address, and this command does not make one."""


class QueueDamaged(QueueError):
    """What lies at the address is no queue of twolane's, or is damaged."""


class QueueTooNew(QueueError):
    """The queue was written by a newer twolane than this one."""


class EnvelopeError(TwolaneError):
    """A message body that this version cannot turn into a message."""


class EnvelopeUnreadable(EnvelopeError):
    """The body is no envelope at all."""


class EnvelopeTooNew(EnvelopeError):
    """The body is an envelope of a newer version than this one reads."""


class BlobError(TwolaneError):
    """Bytes kept outside a message cannot be stored or read."""


class BlobMissing(BlobError):
    """The blob is gone, or its key is none of ours."""


class BlobMismatch(BlobError):
    """The stored bytes have another size or checksum than the message says."""


class BlobTooLarge(BlobError):
    """More bytes than the upload limit allows."""


class UploadRefused(BlobError):
    """A client's upload that is not what its form promised; the sentence is for the client."""


class Verdict(TwolaneError):
    """Raised by a task to say itself what should become of its delivery."""


class RetryLater(Verdict):
    """Try this delivery again after a pause of your choice; it uses up an attempt.

    Args:
        after_s: the pause, in seconds or as a timedelta; capped at 11 hours.
        reason: why, for the record.
    """

    def __init__(self, after_s: float | timedelta, reason: str = "") -> None:
        self.after_s = after_s.total_seconds() if isinstance(after_s, timedelta) else float(after_s)
        if not self.after_s >= 0:
            raise ValueError(f"RetryLater takes a pause of 0 seconds or more, not {after_s!r}")
        super().__init__(reason or f"retry after {self.after_s:g} s")


class GiveUp(Verdict):
    """Stop trying now: the message becomes a dead letter with reason `gave_up`.

    Args:
        reason: why, for the people who run the system.
        public: the sentence a customer may see, if any: one line of plain text, at most 500 characters; what is
            longer is clipped, line ends become spaces.
    """

    def __init__(self, reason: str, *, public: str | None = None) -> None:
        super().__init__(reason)
        self.public = public


class Interrupted(BaseException):
    """Raised inside a task by `ctx.checkpoint` when its delivery must end; let it pass.

    `why` is one of `cancelled`, `timed_out`, `lease_lost`, `stopping`.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why
