"""What a task's author decides once: how often, how long, how patiently (DESIGN.md sections 4 and 5)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

MAX_PAUSE_S = 11 * 3600.0
"""The longest pause before a retry on every backend: SQS holds a message for 12 h in all."""

HELD_EVERYWHERE_S = 12 * 3600.0
"""So long every backend can hold a delivery, extensions included; SQS can for no longer."""

MAX_CRASHES = 100
"""So many deliveries of one message may end with their process, whatever progress they made."""

SOON_S = 1.0
"""What becomes visible before a worker polls by itself is told to workers when it is stored, in seconds."""
UNKNOWN_TASK_PAUSE_S = 30.0
"""How long a message that this worker does not understand waits before it is tried again."""


def seconds(value: Any, name: str, *, at_least: float = 0.0) -> float:
    """Turn a public duration into seconds.

    Args:
        value: seconds or a timedelta.
        name: the option's name, for the error.
        at_least: the smallest value that makes sense, in seconds.

    Raises:
        ValueError: the value is not a number or too small.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, timedelta)):
        raise ValueError(f"{name} takes seconds or a timedelta, not {value!r}")
    result = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if not at_least <= result < float("inf"):
        raise ValueError(f"{name} takes {at_least:g} seconds or more, not {value!r}")
    return result


@dataclass(frozen=True, slots=True)
class Backoff:
    """The pause before the next attempt: exponential, with full jitter.

    Attributes:
        base_s: the upper end of the first pause, in seconds.
        factor: by what the upper end grows with each attempt.
        cap_s: the largest upper end, in seconds.
    """

    base_s: float = 5.0
    factor: float = 2.0
    cap_s: float = 600.0

    def __post_init__(self) -> None:
        if not (self.base_s >= 0 and self.factor >= 1 and 0 <= self.cap_s <= MAX_PAUSE_S):
            raise ValueError(
                f"a backoff takes base_s >= 0, factor >= 1 and cap_s from 0 to {MAX_PAUSE_S:g}, not {self!r}"
            )

    def pause_s(self, attempt: int, jitter: float) -> float:
        """The pause after this attempt failed.

        Args:
            attempt: the attempt that failed, from 1.
            jitter: a random number from 0 to 1.
        """
        exponent = min(attempt - 1, 64)
        return jitter * min(self.cap_s, self.base_s * self.factor**exponent)


@dataclass(frozen=True, slots=True)
class Policy:
    """How the queue lane treats one task.

    Attributes:
        max_attempts: how many attempts a message has, from 1.
        backoff: the pauses between them.
        timeout_s: the longest one attempt may take, in seconds.
        patience_s: how long a message that no worker understands is kept waiting, in seconds.
        expires_after_s: after how many seconds a message that still waits is dead; None: never.
        retry_on: exception types that are tried again; empty: all of them.
        give_up_on: exception types that end the message at once.
    """

    max_attempts: int = 5
    backoff: Backoff = field(default_factory=Backoff)
    timeout_s: float = 300.0
    patience_s: float = 3600.0
    expires_after_s: float | None = None
    retry_on: tuple[type[BaseException], ...] = ()
    give_up_on: tuple[type[BaseException], ...] = ()

    def __post_init__(self) -> None:
        _check_count(self.max_attempts, "max_attempts")
        if not isinstance(self.backoff, Backoff):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"backoff takes a Backoff, not {self.backoff!r}")
        for name in ("retry_on", "give_up_on"):
            _check_types(getattr(self, name), name)


def _check_count(value: object, name: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} takes a whole number from 1, not {value!r}")


def _check_types(types: object, name: str) -> None:
    """Refuse what `isinstance` would not take, or only once a task has failed."""
    if not isinstance(types, tuple) or not all(
        isinstance(each, type) and issubclass(each, BaseException)
        for each in types  # pyright: ignore[reportUnknownVariableType]
    ):
        raise ValueError(
            f"{name} takes a tuple of exception types, such as (ConnectionError,), not {types!r}"
        )
