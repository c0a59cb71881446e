"""One metric: every trial as a dot, the median and its interval per variant (and load level)."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from harness.analysis.selection import select
from harness.units import metric
from reports.charts.style import INK, NothingToDraw, about_range, finish, row_each, rows_height, value_axis, whiskers
from reports.frames import Range, rows
from reports.labels import Look, clear, plain

_JITTER = 0.1


def metric_dots(trials: pd.DataFrame, summaries: pd.DataFrame, name: str, look: Look) -> go.Figure:
    """Each attempt of a metric as a dot (those left out as crosses), and each summary as a line above its dots.

    Raises NothingToDraw if no trial has that metric.
    """
    about = metric(name)
    shown = trials[(trials["kind"] != "null") & trials[name].notna()] if name in trials else trials.iloc[:0]
    if shown.empty:
        raise NothingToDraw(f"No trial has this figure: {about.title}.")
    totals = select(summaries, metric=name)
    levels = _levels(shown, totals)
    rows = [(variant, level) for variant in look.present(shown) for level in levels]
    place = {row: i for i, row in enumerate(rows)}
    figure = go.Figure()
    for variant in look.present(shown):
        own = select(shown, variant=variant)
        _dots(figure, own, name, variant, levels, place, look)
        _intervals(figure, select(totals, variant=variant), name, variant, place, look)
    texts = [look.tick(variant) + (f"<br>{plain(level)}" if len(levels) > 1 else "") for variant, level in rows]
    each = row_each(look.lines(look.present(shown)) + (len(levels) > 1), 54, look.crowded)
    values = [float(value) for value in shown[name]]
    ends = [float(end) for column in ("low", "high") for end in totals[column].dropna()]
    figure.update_layout(
        xaxis=value_axis(values, about.unit, ends),
        yaxis={
            "tickmode": "array",
            "tickvals": list(range(len(rows))),
            "ticktext": texts,
            "range": [len(rows) - 0.45, -0.55],
            "showgrid": False,
            "zeroline": False,
            "ticks": "",
        },
    )
    return finish(figure, height=rows_height(len(rows), each=each), legend=False)


def _levels(shown: pd.DataFrame, totals: pd.DataFrame) -> list[str]:
    """The levels that the summaries tell apart; a metric that is summarised over all levels has one row."""
    levels = list(dict.fromkeys(totals["level"].astype(str)))
    return levels or list(dict.fromkeys(shown["level"].astype(str)))


def _dots(
    figure: go.Figure,
    own: pd.DataFrame,
    name: str,
    variant: str,
    levels: list[str],
    place: dict[tuple[str, str], int],
    look: Look,
) -> None:
    # A calibration finds a capacity and is no measured trial, but it is what that figure comes from.
    counts = own["counts"] | (own["valid"] & (own["kind"] == "calibration"))
    for valid, part in own.groupby(counts, sort=False):
        y = []
        for i, level in enumerate(part["level"].astype(str)):
            row = place[(variant, level if level in levels else levels[0])]
            y.append(row + 0.24 + _JITTER * ((i % 3) - 1))
        figure.add_scatter(
            x=part[name].tolist(),
            y=y,
            mode="markers",
            marker={
                "color": look.colours[variant],
                "symbol": look.symbols[variant] if valid else "x-thin-open",
                "size": 8,
                "opacity": 0.8,
                "line": {"color": "#ffffff" if valid else look.colours[variant], "width": 1 if valid else 2},
            },
            customdata=[
                [row["block"], plain(str(row["trial"])), row["attempt"], plain(str(row["level"]))] for row in rows(part)
            ],
            hovertemplate=(
                f"<b>{plain(look.label(variant))}</b><br>%{{x:.4~f}} {metric(name).unit}<br>block %{{customdata[0]}}"
                "<br>trial %{customdata[1]}, attempt %{customdata[2]}<br>%{customdata[3]}"
                + ("" if valid else "<br>left out")
                + "<extra></extra>"
            ),
        )


def _intervals(
    figure: go.Figure,
    totals: pd.DataFrame,
    name: str,
    variant: str,
    place: dict[tuple[str, str], int],
    look: Look,
) -> None:
    shown = [
        (Range.of(row), place[(variant, str(row["level"]))])
        for row in rows(totals)
        if (variant, str(row["level"])) in place and pd.notna(row["median"])
    ]
    figure.add_scatter(
        x=[total.median for total, _ in shown],
        y=[row - 0.2 for _, row in shown],
        mode="markers",
        marker={"symbol": "line-ns", "size": 14, "line": {"color": INK, "width": 2.5}},
        error_x=whiskers([total for total, _ in shown], clear(look.colours[variant], 0.45), thickness=9, width=0),
        text=[about_range(total, name) for total, _ in shown],
        hovertemplate=f"<b>{plain(look.label(variant))}</b><br>%{{text}}<extra></extra>",
    )
