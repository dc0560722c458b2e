"""Which failures are alike: a kind of death in twelve characters, and its error in one line.

The fingerprint is of the task, the error's type, the innermost line of the app's own code and the message
without what differs from one time to the next. Line numbers are left out: a deploy that moves code makes no
new kind of it.
"""

from __future__ import annotations

import hashlib
import re

from twolane.values.outcome import Failure

MAX_HEADLINE_CHARS = 500
_MAX_MESSAGE_CHARS = 2_000
_MAX_TRACEBACK_CHARS = 20_000
_FRAME = re.compile(
    r'^[ |+]*File "([^"\n]{1,1000})", line (\d{1,9}), in ([^\n]{1,200})(?:\n([^\n]*))?', re.MULTILINE
)
_FOREIGN = re.compile(r"[/\\](?:site-packages|dist-packages|lib[/\\]python\d[\d.]*)[/\\]|^<")
_OURS = __file__.removesuffix("fingerprint.py").removesuffix("values/")
_QUOTED = re.compile(r"'[^'\n]{0,500}'|\"[^\"\n]{0,500}\"|`[^`\n]{0,500}`")
_ID = re.compile(r"[0-9A-Za-z_]*\d[0-9A-Za-z_]*(?:[-.:][0-9A-Za-z_]+)*|\b[0-9a-fA-F]{8,}\b")


def fingerprint(task: str, failure: Failure | None) -> str:
    """Twelve characters, equal for deaths of one kind.

    Args:
        task: the task's name.
        failure: what went wrong in the last attempt; None: nobody knows.
    """
    parts = [task]
    if failure is not None:
        file, _, function, _ = _innermost(failure.traceback) or ("", "", "", "")
        parts += [failure.error_type, file, function, normalised(failure.message)]
    return hashlib.sha256("\n".join(parts).encode("utf-8", "backslashreplace")).hexdigest()[:12]


def normalised(message: str) -> str:
    """A message without what differs from one time to the next: quoted text, numbers, ids."""
    text = _ID.sub("0", _QUOTED.sub("'_'", message[:_MAX_MESSAGE_CHARS]))
    return " ".join(text.split())[:200]


def headline(failure: Failure | None) -> str:
    """A failure as type and text, clipped; empty: nobody knows."""
    if failure is None:
        return ""
    text = " ".join(failure.message[:_MAX_MESSAGE_CHARS].split())
    return f"{failure.error_type}: {text}"[:MAX_HEADLINE_CHARS] if text else failure.error_type


def where(traceback: str) -> str:
    """The innermost line of the app's own code in a traceback, such as `shop/mails.py line 7 in send: ...`.

    Code of libraries counts where no line is the app's own; empty: there is no traceback.
    """
    found = _innermost(traceback)
    if found is None:
        return ""
    file, line, function, source = found
    return f"{file} line {line} in {function}" + (f": {source}" if source else "")


def _innermost(traceback: str) -> tuple[str, str, str, str] | None:
    frames = _FRAME.findall(traceback[-_MAX_TRACEBACK_CHARS:])
    own = [
        frame for frame in frames if not (_FOREIGN.search(frame[0]) or frame[0].startswith(_OURS))
    ] or frames
    if not own:
        return None
    path, line, function, source = own[-1]
    source = source.strip(" |+")
    return (
        "/".join(re.split(r"[/\\]", path)[-2:]),
        line,
        function,
        "" if source.startswith("File ") else source,
    )
