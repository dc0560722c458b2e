"""Hide what looks like a secret in text that leaves the machine.

By names (`password=...`), by forms that known keys have, and by the place in an address. What has neither a
name nor a form of its own cannot be told from other text: an error should not quote secrets.
"""

from __future__ import annotations

import re

MASK = "***"
MAX_CHARS = 50_000
"""Longer text is cut before anything is looked for."""

_NAME = (
    r"(?:[A-Za-z0-9_.-]{0,40}(?:passw(?:or)?d|passphrase|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|credentials?|signature|session[_-]?id|cookie|auth|authorization)[A-Za-z0-9_-]{0,20})"
)
_FORMS = [
    (re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)", re.DOTALL), MASK),
    (re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]{0,20}://)[^\s/@'\"<>]{1,500}@"), rf"\1{MASK}@"),
    (re.compile(r"\b(Bearer|Basic|Digest|Token)\s+[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE), rf"\1 {MASK}"),
    (re.compile(rf"""(["']?{_NAME}["']?\s{{0,3}}[=:]\s{{0,3}}[bru]?)("[^"\n]{{0,2000}}"|'[^'\n]{{0,2000}}')""", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(rf"""(["']?{_NAME}["']?\s{{0,3}}[=:]\s{{0,3}})(?!\*\*\*)[^\s"'&,;)\]}}]{{1,2000}}""", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"), MASK),
    (re.compile(r"\b(?:gh[pousr]_|github_pat_|glpat-|xox[a-z]-|sk_live_|sk_test_|rk_live_|sk-|hf_|npm_|pypi-)[A-Za-z0-9_-]{10,}"), MASK),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"), MASK),
    (re.compile(r"(https://hooks\.slack\.com/services/)\S+"), rf"\1{MASK}"),
]  # fmt: skip


def masked(text: str) -> str:
    """Text without what looks like a secret; cut at `MAX_CHARS`."""
    text = text[:MAX_CHARS]
    for form, instead in _FORMS:
        text = form.sub(instead, text)
    return text
