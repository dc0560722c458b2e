"""MiniStack whose SQS goes by clocks that tests turn: `python turned_ministack.py FOLDER`.

The folder holds a file for each account that has a clock of its own, with the time in it; all others go by the
machine's. So tests that turn the time do not see each other. Visibility, delays and retention are SQS's own business:
only where the time comes from is replaced, as in twolane itself.

Run by the interpreter of the servers' own environment.
"""

import sys
import time
import types
from pathlib import Path

import ministack.services.sqs
from ministack.app import main
from ministack.core.responses import get_account_id

clocks = Path(sys.argv[1])


def now() -> float:
    try:
        return float((clocks / get_account_id()).read_text())
    except FileNotFoundError:
        return time.time()


turned = types.SimpleNamespace(**vars(time))
turned.time = now
ministack.services.sqs.time = turned
sys.argv = ["ministack"]
main()
