"""A page that a team can read: one file, no script, nothing that is fetched."""

from __future__ import annotations

from html import escape

from twolane.check.report import Checked, Report
from twolane.check.rules import RULES

_TITLES = {rule.code: rule.title for rule in RULES}
_STYLE = """
:root { color-scheme: light dark; --quiet: #666; --line: #ccc; --queue: #b3261e; --background: #1b6e3c; --unsure: #8a6100 }
@media (prefers-color-scheme: dark) { :root { --quiet: #aaa; --line: #444; --queue: #ff8a80; --background: #7ddc9b; --unsure: #ffcf66 } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin-top: 2.5rem } h3 { font-size: 1rem; margin-bottom: .2rem }
article { border-top: 1px solid var(--line); padding: .5rem 0 } pre { overflow-x: auto; padding: .6rem; border: 1px solid var(--line) }
code, pre { font: .875rem/1.45 ui-monospace, monospace } .quiet { color: var(--quiet) }
.queue { color: var(--queue) } .background { color: var(--background) } .unsure { color: var(--unsure) }
"""
_QUESTION = "One question decides: <strong>if this task vanishes, does a human need to know?</strong>"
_HEADINGS = {
    "queue": "Must not be lost",
    "unsure": "Nobody can tell from the code: ask the question",
    "background": "May be lost",
}


def write(report: Report) -> str:
    """The report as one HTML page."""
    parts = [
        f"<h1>{escape(report.headline)}</h1>",
        f"<p>{_QUESTION} <span class='quiet'>{escape(report.read)}.</span></p>",
    ]
    for verdict, heading in _HEADINGS.items():
        sites = [site for site in report.sites if site.verdict == verdict]
        if sites:
            parts.append(f'<h2 class="{verdict}">{heading} ({len(sites)})</h2>')
            parts += [_site(site) for site in sites]
    if report.findings:
        parts.append(f"<h2>Findings of their own ({len(report.findings)})</h2>")
        parts += [
            f"<article><h3>{_code(each.code)} <code>{escape(each.path)}:{each.line}</code></h3><p>{escape(each.reason)}</p></article>"
            for each in report.findings
        ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>twolane check: {escape(report.headline)}</title><style>{_STYLE}</style></head>\n"
        f"<body>\n{chr(10).join(parts)}\n</body></html>\n"
    )


def _site(site: Checked) -> str:
    evidence = "".join(
        f'<li>{escape(each.reason)} <code class="quiet">{escape(each.path)}:{each.line}</code> {_code(each.code)}</li>'
        for each in site.evidence
    )
    findings = "".join(
        f'<li>{escape(each.reason)} <code class="quiet">{escape(each.path)}:{each.line}</code> {_code(each.code)}</li>'
        for each in site.findings
    )
    accepted = f'<p class="quiet">Accepted: {escape(site.accepted)}</p>' if site.accepted is not None else ""
    return (
        f"<article><h3><code>{escape(site.callee)}</code></h3>"
        f'<div class="quiet"><code>{escape(site.path)}:{site.line}</code></div>'
        f"<pre>{escape(site.source)}</pre><ul>{evidence}</ul>"
        + (f"<p>Besides:</p><ul>{findings}</ul>" if findings else "")
        + (
            f"<details><summary>The change</summary><pre>{escape(site.change)}</pre></details>"
            if site.change
            else f"<p>By hand: {escape(site.by_hand)}.</p>"
            if site.by_hand
            else ""
        )
        + f"{accepted}</article>"
    )


def _code(code: str) -> str:
    title = _TITLES.get(code, "")
    return f'<abbr title="{escape(title)}">{escape(code)}</abbr>'
