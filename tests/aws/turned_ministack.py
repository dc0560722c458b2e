"""MiniStack whose SQS goes by a clock that a test turns: `python turned_ministack.py FILE`, which holds the time.

Run by the interpreter of the servers' own environment. Visibility, delays and retention are SQS's own business: only
where the time comes from is replaced, as in twolane itself.
"""

import sys
import time
import types
from pathlib import Path

import ministack.services.sqs
from ministack.app import main

file = Path(sys.argv[1])
turned = types.SimpleNamespace(**vars(time))
turned.time = lambda: float(file.read_text())
ministack.services.sqs.time = turned
sys.argv = ["ministack"]
main()
