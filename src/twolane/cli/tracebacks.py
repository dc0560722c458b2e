"""An exception of the app, shown from the app's own first frame on."""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from types import TracebackType

_OURS = str(Path(__file__).parents[1])
_LIBRARY = str(Path(os.__file__).parent)


def print_from_the_app_on(error: BaseException) -> None:
    """Print a traceback to standard error, without the frames that lead to the app."""
    trace = error.__traceback__
    while trace is not None and _leads_there(trace):
        trace = trace.tb_next
    traceback.print_exception(type(error), error, trace)


def _leads_there(trace: TracebackType) -> bool:
    file = trace.tb_frame.f_code.co_filename
    return file.startswith(("<frozen", _OURS)) or (file.startswith(_LIBRARY) and "site-packages" not in file)
