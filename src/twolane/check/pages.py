"""The page of a rule, made from the rule itself: what `--explain` prints and what lies in docs/rules/."""

from __future__ import annotations

from twolane.check.rule import Rule

_VERDICTS = {
    "queue": "Evidence that it must not be lost.",
    "background": "Evidence that it may be lost.",
    "finding": "A finding of its own, whatever the verdict is.",
}
_HEADINGS = {
    "queue": ("The rule is broken", "The rule is kept"),
    "background": ("Not enough", "May be lost"),
    "finding": ("Bad", "Good"),
}


def page(rule: Rule) -> str:
    """A rule as Markdown."""
    bad, good = _HEADINGS[rule.says]
    weight = f" Weight {rule.weight} of 4; 3 decides." if rule.weight else ""
    parts = [f"# {rule.code}: {rule.title}", f"{_VERDICTS[rule.says]}{weight}", rule.reason]
    if rule.bad:
        parts += [f"## {bad}", _fenced(rule.bad)]
    if rule.good:
        parts += [f"## {good}", _fenced(rule.good)]
    return "\n\n".join(parts) + "\n"


def _fenced(code: str) -> str:
    return f"```python\n{code.strip(chr(10))}\n```"
