"""What holds for all tests."""

from __future__ import annotations

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Whoever started us in the background ignores Ctrl-C, and every process of ours would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
