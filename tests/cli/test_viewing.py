"""What a view that goes on does about signals."""

from __future__ import annotations

import subprocess
import sys

SIGNALS_AT_ANY_MOMENT = """
import signal
from twolane.cli.viewing import interrupts

for number in range(4_000):
    with interrupts() as ended:
        signal.signal(signal.SIGALRM, ended.end)
        signal.setitimer(signal.ITIMER_REAL, 1e-5 + number % 100 * 1e-6)
        while not ended.wait(2e-5):
            pass
print("ended")
"""


def test_a_signal_at_any_moment_of_a_wait_ends_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SIGNALS_AT_ANY_MOMENT], check=False, capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr, done.returncode) == ("ended\n", "", 0)
