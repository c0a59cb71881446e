"""What all charts share: fonts, axes, sizes, and the error for a chart that would be empty."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from harness.units import metric
from reports.frames import Range

INK = "#1b1f24"
GRID = "#e3e6ea"
MUTED = "#5a6370"
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', 'DejaVu Sans', sans-serif"

# A template of our own: plotly's default one repeats 7 kB in every figure.
_AXIS: dict[str, Any] = {
    "gridcolor": GRID,
    "linecolor": "#9aa3ad",
    "zerolinecolor": "#9aa3ad",
    "ticks": "outside",
    "tickcolor": "#9aa3ad",
    "ticklen": 4,
    "automargin": True,
    "fixedrange": True,
    "title": {"standoff": 8, "font": {"size": 12.5, "color": MUTED}},
}
TEMPLATE = go.layout.Template(
    layout={
        "font": {"family": _FONT, "size": 13, "color": INK},
        "paper_bgcolor": "#ffffff",
        "plot_bgcolor": "#ffffff",
        "xaxis": _AXIS,
        "yaxis": _AXIS,
        "hoverlabel": {"bgcolor": "#ffffff", "font": {"color": INK, "size": 13}, "align": "left"},
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 1.02,
            "yanchor": "bottom",
            "font": {"size": 12.5},
            "traceorder": "normal",
        },
        "margin": {"l": 8, "r": 12, "t": 12, "b": 8},
        "bargap": 0.3,
    }
)


class NothingToDraw(Exception):
    """There is nothing to draw; the message says why, in a sentence that the report prints in the chart's place."""


def finish(figure: go.Figure, *, height: int, legend: bool = True) -> go.Figure:
    """The common look. ``height`` in pixels; the width follows the page."""
    figure.update_layout(template=TEMPLATE, height=height, autosize=True, showlegend=legend)
    return figure


def rows_height(rows: int, *, each: int = 46, least: int = 150, legend: bool = False) -> int:
    """A height for a chart of horizontal rows."""
    return max(least, 74 + each * rows + (30 if legend else 0))


def row_each(lines: int, usual: int, crowded: bool) -> int:
    """Pixels for one row: ``usual``, less in a crowd, and room for a label of so many lines in any case."""
    return max(30 if crowded else usual, 15 * lines + 8)


def spread(values: Sequence[float]) -> float:
    """Largest over smallest of the positive values; 1 where there are none."""
    positive = [value for value in values if value > 0]
    return max(positive) / min(positive) if positive else 1.0


LOG_SPREAD = 12.0
"""From this ratio on an axis turns logarithmic: on a linear one the smallest value would get under a twelfth of it."""


_BEYOND = 2.5


def value_axis(values: Sequence[float], title: str, ends: Sequence[float] = ()) -> dict[str, Any]:
    """An axis for amounts: linear from zero, or logarithmic where the values are too far apart to be seen together.

    A zero keeps it linear: a logarithmic axis would silently leave it out. ``ends`` are the ends of intervals: with two
    or three trials they can lie so far out that nothing else could be read, so the axis ends at 2.5 times the values.
    """
    low, high = min(values, default=0.0), max(values, default=0.0)
    if low > 0 and spread(values) >= LOG_SPREAD:
        bottom, top = max(min([low, *ends]), low / _BEYOND), min(max([high, *ends]), high * _BEYOND)
        pad = (top / bottom) ** 0.05
        span = [bottom / pad, top * pad]
        ticks = log_ticks(values)
        return {
            "type": "log",
            "title": {"text": f"{title}, log scale"},
            "range": [math.log10(v) for v in span],
            **ticks,
        }
    return linear_axis(values, title, ends)


def linear_axis(values: Sequence[float], title: str, ends: Sequence[float] = ()) -> dict[str, Any]:
    """As ``value_axis``, linear whatever the values: for lengths that are to be compared."""
    high = max(values, default=0.0)
    top = min(max([high, *ends]), high * _BEYOND)
    return {"range": [0, (top or 1.0) * 1.06], "title": {"text": title}}


def log_ticks(values: Sequence[float]) -> dict[str, Any]:
    """Ticks at 1, 2, 5 of each decade if there are few, else at the decades; plain numbers, not powers."""
    return {"dtick": "D2" if spread(values) < 60 else 1, "tickformat": "~g", "exponentformat": "none"}


def whiskers(totals: Sequence[Range], colour: str, *, thickness: float, width: float) -> dict[str, Any]:
    """The intervals of some totals as plotly's error bars; nothing is drawn where there is none."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [0.0 if total.high is None else total.high - total.median for total in totals],
        "arrayminus": [0.0 if total.low is None else total.median - total.low for total in totals],
        "color": colour,
        "thickness": thickness,
        "width": width,
        "visible": any(total.low is not None for total in totals),
    }


def about_range(total: Range, name: str) -> str:
    """The hover text of a summary: median, interval (or that there is none), number of trials."""
    about = metric(name)
    interval = (
        "no interval"
        if total.low is None or total.high is None
        else (f"interval {about.text(total.low)} to {about.text(total.high)}")
    )
    return f"median {about.text(total.median)}<br>{interval}<br>{total.n} trial{'s' * (total.n != 1)}"
