"""A message and its envelope: the versioned ASCII JSON that lies in a queue (DESIGN.md section 6).

Here: the value, its writing and reading. Not here: arguments (engine/arguments.py) and ids (engine/ids.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from types import MappingProxyType
from typing import Any, NamedTuple, cast

from twolane.values.blob import BlobRef
from twolane.values.errors import EnvelopeTooNew, EnvelopeUnreadable

VERSION = 1
SECRETS = "secrets"
"""The field that names the arguments whose types are secrets: who shows a message masks them."""
_quoted = json.encoder.encode_basestring_ascii
_ENCODER = json.JSONEncoder(ensure_ascii=True, allow_nan=False, check_circular=False, separators=(",", ":"))
_DECODER = json.JSONDecoder()
_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_HEAD = re.compile(
    rf'\{{"v":{VERSION},"task":({_STRING}),"queue":{_STRING},"policy":\{{[^{{}}]*\}},"id":({_STRING}),'
)
"""How what `Letterhead` writes begins."""
_USUAL = re.compile(
    rf'(\{{"v":{VERSION},"task":{_STRING},"queue":{_STRING},"policy":\{{[^{{}}]*\}}),"id":"([ !#-\[\]-~]+)",'
    r'"sent_at":((?:0|[1-9]\d*)(?:\.\d+)?(?:e[+-]?\d+)?),"trace":\{\},"args":(\{[^{}]{0,4000}\})\}'
)
"""The whole of what `Letterhead` writes for flat arguments and nothing beside; what has another shape matches nowhere."""
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_KNOWN = frozenset(
    [
        "v",
        "id",
        "task",
        "queue",
        "args",
        "args_blob",
        "sent_at",
        "expires_at",
        "policy",
        "trace",
        "parent",
        "continuation",
    ]
)


@dataclass(frozen=True, slots=True)
class Continuation:
    """A message that goes on with the work of another one.

    Attributes:
        number: how many continuations came before, from 1.
        cursor: the checkpoint it goes on from.
        deadline_at: when all of them together must be done, in epoch seconds.
    """

    number: int
    cursor: Any
    deadline_at: float


@dataclass(frozen=True, slots=True)
class MessagePolicy:
    """The part of a policy that a stranger needs who does not know the task.

    Attributes:
        max_attempts: how many attempts the message has.
        timeout_s: the longest one attempt may take, in seconds.
        patience_s: how long it waits for somebody who understands it, in seconds.
    """

    max_attempts: int
    timeout_s: float
    patience_s: float


class Message(NamedTuple):
    """One stored request to run a task.

    Attributes:
        id: a UUIDv7, made by the sender.
        task: the task's name.
        queue: the queue's name.
        args: the arguments by name, as JSON values; None where they lie in `args_blob`.
        args_blob: where the arguments lie if they are too large for the body.
        sent_at: when it was sent, in epoch seconds.
        expires_at: when it is dead if it still waits, in epoch seconds; None: never.
        policy: what a stranger needs to know.
        trace: the trace context of the sender.
        parent: the id of the message whose task sent this one.
        continuation: set if it goes on with another one's work.
        extra: fields of the envelope that this version does not know; kept.
    """

    id: str
    task: str
    queue: str
    args: Mapping[str, Any] | None
    sent_at: float
    policy: MessagePolicy
    args_blob: BlobRef | None = None
    expires_at: float | None = None
    trace: Mapping[str, str] = _NOTHING
    parent: str | None = None
    continuation: Continuation | None = None
    extra: Mapping[str, Any] = _NOTHING


class Letterhead:
    """Writes the envelopes of one task: what they have in common is written once.

    Args:
        task: the task's name.
        queue: the queue's name.
        policy: what a stranger needs to know.
    """

    __slots__ = ("_common",)

    def __init__(self, task: str, queue: str, policy: MessagePolicy) -> None:
        limits = {
            "max_attempts": policy.max_attempts,
            "timeout_s": policy.timeout_s,
            "patience_s": policy.patience_s,
        }
        self._common = _members({"v": VERSION, "task": task, "queue": queue, "policy": limits})

    def write(
        self,
        message_id: str,
        args: str | BlobRef,
        *,
        sent_at: float,
        trace: Mapping[str, str],
        expires_at: float | None = None,
        parent: str | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> str:
        """One envelope: a line of ASCII JSON.

        Args:
            message_id: the message's id.
            args: the arguments, an object in ASCII JSON; or where they lie if they are too large for the body.
            sent_at: when it was sent, in epoch seconds.
            trace: the trace context of the sender.
            expires_at: when it is dead if it still waits, in epoch seconds; None: never.
            parent: the id of the message whose task sent this one.
            more: other fields.

        Raises:
            ValueError: a field is NaN, infinite or an integer too long to write.
            TypeError: a field is no JSON value.
        """
        if not isfinite(sent_at):
            raise ValueError(f"sent_at is a time, not {sent_at!r}")
        head = (
            f'{self._common},"id":{_quoted(message_id)},"sent_at":{sent_at!r},'
            f'"trace":{to_json(trace) if trace else "{}"}'
        )
        rest = {} if more is None else {**more}
        if expires_at is not None:
            rest["expires_at"] = expires_at
        if parent is not None:
            rest["parent"] = parent
        if isinstance(args, BlobRef):
            rest["args_blob"] = args.to_json()
        else:
            head += f',"args":{args}'
        return f"{{{head},{_members(rest)}}}" if rest else f"{{{head}}}"


def names_itself(body: str, message_id: str, task: str) -> bool:
    """Whether a body is an envelope of ours that says which message it is; only its beginning is read."""
    head = _HEAD.match(body)
    return head is not None and head[1] == to_json(task) and head[2] == to_json(message_id)


def _members(fields: Mapping[str, Any]) -> str:
    """An object in JSON, without its braces."""
    return to_json(fields)[1:-1]


def to_json(value: Any) -> str:
    """A JSON value as one line of ASCII.

    Raises:
        ValueError: it holds NaN, infinity or an integer too long to write.
        TypeError: it is no JSON value.
    """
    return _ENCODER.encode(value)


def encode(message: Message) -> str:
    """Write a message as its envelope; raises as `Letterhead.write`."""
    more = {key: value for key, value in message.extra.items() if key not in _KNOWN}
    if (continuation := message.continuation) is not None:
        more["continuation"] = {
            "number": continuation.number,
            "cursor": continuation.cursor,
            "deadline_at": continuation.deadline_at,
        }
    return Letterhead(message.task, message.queue, message.policy).write(
        message.id,
        to_json(message.args) if message.args_blob is None else message.args_blob,
        sent_at=message.sent_at,
        trace=message.trace,
        expires_at=message.expires_at,
        parent=message.parent,
        more=more,
    )


def decode(body: str) -> Message:
    """Read an envelope.

    Raises:
        EnvelopeUnreadable: the body is no envelope.
        EnvelopeTooNew: it is one of a newer version.
    """
    try:
        parsed = _parsed(body)
    except (ValueError, RecursionError) as error:
        raise EnvelopeUnreadable(f"the body is not JSON: {error}") from None
    if not isinstance(parsed, dict):
        raise EnvelopeUnreadable("the body is JSON but no object")
    envelope = cast("dict[str, Any]", parsed)
    version = envelope.get("v")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise EnvelopeUnreadable("the body has no envelope version `v`")
    if version > VERSION:
        raise EnvelopeTooNew(f"the envelope has version {version}, this twolane reads up to {VERSION}")
    try:
        return _read(envelope)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise EnvelopeUnreadable(f"the envelope lacks or spoils a field: {error!r}") from None


def skim(body: str) -> tuple[Message, str] | None:
    """As `decode`, for half of its time, where an envelope has the usual shape; None: only `decode` can tell what it is.

    Returns:
        The message, and its arguments as they are written: an object in JSON.
    """
    usual = _USUAL.fullmatch(body)
    if usual is None:
        return None
    head, message_id, sent_at, args = usual.groups()
    try:
        task, queue, policy = _common(head)
        return Message(message_id, task, queue, _parsed(args), float(sent_at), policy), args
    except (EnvelopeUnreadable, ValueError):
        return None


@lru_cache(maxsize=256)
def _common(head: str) -> tuple[str, str, MessagePolicy]:
    """What the messages of a task have in common; raises as `decode`."""
    message = decode(f'{head},"id":"none","sent_at":0,"args":{{}}}}')
    return message.task, message.queue, message.policy


def _parsed(body: str) -> Any:
    """As `json.loads`, which looks for white space round the value in Python: our own envelopes have none."""
    try:
        value, end = _DECODER.raw_decode(body)
    except ValueError:
        return json.loads(body)
    return value if end == len(body) else json.loads(body)


def _read(envelope: dict[str, Any]) -> Message:
    get = envelope.get
    args, blob, expires_at, parent = get("args"), get("args_blob"), get("expires_at"), get("parent")
    if (blob is None) == (args is None) or not isinstance(args, (dict, type(None))):
        raise ValueError("an envelope has either args, an object, or args_blob")
    policy, trace, more = envelope["policy"], get("trace", {}), get("continuation")
    return Message(
        id=_text(envelope, "id"),
        task=_text(envelope, "task"),
        queue=_text(envelope, "queue"),
        args=cast("dict[str, Any] | None", args),
        args_blob=None if blob is None else BlobRef.from_json(blob),
        sent_at=float(envelope["sent_at"]),
        expires_at=None if expires_at is None else float(expires_at),
        policy=_policy(policy["max_attempts"], policy["timeout_s"], policy["patience_s"]),
        trace={str(key): str(value) for key, value in trace.items()} if trace != {} else _NOTHING,
        parent=None if parent is None else _text(envelope, "parent"),
        continuation=None
        if more is None
        else Continuation(int(more["number"]), more["cursor"], float(more["deadline_at"])),
        extra=_NOTHING
        if _KNOWN.issuperset(envelope)
        else {key: envelope[key] for key in envelope.keys() - _KNOWN},
    )


@lru_cache(maxsize=256)
def _policy(max_attempts: Any, timeout_s: Any, patience_s: Any) -> MessagePolicy:
    """As nearly all messages of a task have the same."""
    return MessagePolicy(int(max_attempts), float(timeout_s), float(patience_s))


def _text(envelope: dict[str, Any], name: str) -> str:
    value = envelope[name]
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is a string")
    return value
