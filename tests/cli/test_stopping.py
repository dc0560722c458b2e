"""A worker process that is told to stop by signals of its own, as where its parent is gone."""

from __future__ import annotations

import asyncio
import os
import signal
import socket

import pytest

from twolane import Tasks
from twolane.cli import exits
from twolane.cli.parent import STOP_SIGNALS
from twolane.cli.stopping import Stopping


def test_the_third_signal_ends_it_at_once_whatever_holds_the_loop(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    left: list[int] = []
    monkeypatch.setattr(os, "_exit", left.append)
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    parent, ours = socket.socketpair()

    async def main() -> None:
        stopping = Stopping(Tasks().runtime, ours)
        stopping.ready()
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert left == []
        signal.raise_signal(signal.SIGTERM)
        assert left == [exits.NOT_DRAINED], "before the loop has had a turn"
        await stopping.asked()
        stopping._deadline.cancel()

    with parent, ours:
        try:
            asyncio.run(main())
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    assert "ends at once; what it still ran is run again by another worker" in caplog.text
