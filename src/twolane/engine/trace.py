"""The trace context of a message, where the app uses OpenTelemetry; never loads it by itself."""

from __future__ import annotations

import sys
from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any


def inject() -> dict[str, str]:
    """The present trace context in the form a message carries; empty without OpenTelemetry."""
    propagate: Any = sys.modules.get("opentelemetry.propagate")
    carrier: dict[str, str] = {}
    if propagate is not None:
        propagate.inject(carrier)
    return carrier


def attached(carrier: Mapping[str, str]) -> AbstractContextManager[None]:
    """Run a block within the trace context that a message brought."""
    return _attached(carrier) if carrier else _NONE


_NONE = nullcontext()


@contextmanager
def _attached(carrier: Mapping[str, str]) -> Generator[None]:
    propagate: Any = sys.modules.get("opentelemetry.propagate")
    context: Any = sys.modules.get("opentelemetry.context")
    if propagate is None or context is None:
        yield
        return
    token = context.attach(propagate.extract(dict(carrier)))
    try:
        yield
    finally:
        context.detach(token)
