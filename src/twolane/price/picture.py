"""The chart as a file, SVG, PNG or HTML by its suffix: drawn by matplotlib, the extra `chart`."""

from __future__ import annotations

import io
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twolane.price.curves import FLOOR, Chart
from twolane.values.errors import SettingsError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".svg", ".png", ".html")
_STYLES = ("-", "--", "-.", ":")
_SETTINGS: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "twolane",
    "font.size": 8,
    "path.simplify": True,
}
"""Text stays text, and the same chart is the same file."""


def check_suffix(path: Path) -> None:
    """See that a chart can be written there, before anything is computed.

    Raises:
        SettingsError: its suffix names no form we have, or matplotlib is not installed.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise SettingsError(
            f"--chart {path}: its suffix tells the form, one of {', '.join(SUFFIXES)}: --chart price.svg"
        )
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise SettingsError(
            "--chart draws with matplotlib, which is not installed: pip install 'twolane[chart]'; "
            "the chart of the terminal needs nothing"
        ) from error
    mpl.use("agg")


def write(chart: Chart, path: Path, heading: str) -> None:
    """Draw the chart into a file.

    Raises:
        SettingsError: the file cannot be written, or the suffix names no form.
    """
    check_suffix(path)
    import matplotlib as mpl

    settings: Any = _SETTINGS
    with mpl.rc_context(settings):
        figure = _drawn(chart, heading)
        content = _png(figure) if path.suffix.lower() == ".png" else _svg(figure)
    if path.suffix.lower() == ".html":
        content = _page(content, heading)
    try:
        path.write_bytes(content)
    except OSError as error:
        raise SettingsError(f"the chart cannot be written to {path}: {error.strerror}") from error


def _drawn(chart: Chart, heading: str) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    axes: Any = figure.add_subplot()
    for number, curve in enumerate(chart.curves):
        costs = [max(cost, FLOOR) for cost in curve.usd]
        axes.plot(chart.tasks, costs, label=curve.title, linestyle=_STYLES[number % 4], linewidth=1.3)
    if chart.turns:
        x, y = zip(*chart.turns, strict=True)
        axes.plot(
            x, [max(each, FLOOR) for each in y], "o", color="black", markersize=3, label="two of them cross"
        )
    axes.axvline(chart.now, color="grey", linewidth=0.8)
    axes.annotate(" yours", (chart.now, FLOOR), color="grey")
    axes.set(xscale="log", yscale="log", xlabel="tasks a month", ylabel="USD a month", title=heading)
    axes.set_ylim(bottom=FLOOR)
    axes.minorticks_off()
    axes.grid(visible=True, linewidth=0.3)
    axes.legend(fontsize=7)
    return figure


def _svg(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return b"\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + b"\n"


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150, metadata={"Software": None})
    return buffer.getvalue()


def _page(svg: bytes, heading: str) -> bytes:
    drawing = svg[svg.index(b"<svg") :]
    head = f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(heading)}</title></head><body>\n'
    return head.encode() + drawing + b"</body></html>\n"
