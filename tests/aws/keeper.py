"""Keeps a server for as long as a test run lasts: `python keeper.py FOLDER COMMAND...`.

It goes into the background as soon as it has its lock: whoever started it has no process to wait for.
Whoever owns the run holds a lock on FOLDER/run. The system takes it away however the owner ends, by Ctrl-C and SIGKILL
too, and then the server is stopped. The owner waits for the keepers on FOLDER/keepers.
"""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

STOPS_S = 5.0

folder = Path(sys.argv[1])
with (folder / "keepers").open("w") as keepers, (folder / "run").open() as run:
    fcntl.flock(keepers, fcntl.LOCK_SH)
    if os.fork():
        os._exit(0)  # the lock stays with the child
    process = subprocess.Popen(sys.argv[2:])
    fcntl.flock(run, fcntl.LOCK_SH)
    process.terminate()
    try:
        process.wait(STOPS_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
