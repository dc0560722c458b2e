"""The trace context of a message, where the app uses OpenTelemetry; never loads it by itself."""

from __future__ import annotations

import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any


def inject() -> dict[str, str]:
    """The present trace context in the form a message carries; empty without OpenTelemetry."""
    propagate: Any = sys.modules.get("opentelemetry.propagate")
    carrier: dict[str, str] = {}
    if propagate is not None:
        propagate.inject(carrier)
    return carrier


@contextmanager
def attached(carrier: Mapping[str, str]) -> Generator[None]:
    """Run a block within the trace context that a message brought."""
    propagate: Any = sys.modules.get("opentelemetry.propagate")
    context: Any = sys.modules.get("opentelemetry.context")
    if not carrier or propagate is None or context is None:
        yield
        return
    token = context.attach(propagate.extract(dict(carrier)))
    try:
        yield
    finally:
        context.detach(token)
