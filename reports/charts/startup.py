"""Startup: the phases of each variant as one stacked bar, its interval as a whisker, every trial as a dot."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from harness.analysis.selection import select
from reports.charts.style import INK, NothingToDraw, about_range, finish, linear_axis, rows_height, whiskers
from reports.frames import Range, rows
from reports.labels import Look, mix, plain

_METRIC = "startup_s"
_NAMED = 0.75
"""The part of a phase, from its beginning, that its name in the middle may take."""
_LIFT = 0.14  # of a row: leaves room for the dots below the bar


def phase_ends(phases: pd.DataFrame) -> pd.DataFrame:
    """``variant``, ``phase``, ``begin_s``, ``end_s``, ``duration_s``, ``n``: the median moments.

    The median of the moments, not of the lengths: moments never step back, and the last one is the median total, so
    a stacked bar of them is as long as the figure that the tables print.
    """
    ends = (
        phases.groupby(["variant", "phase"], sort=False)["end_s"]
        .agg(end_s="median", n="count")
        .reset_index()
        .sort_values(["variant", "end_s"], kind="stable")
    )
    ends["begin_s"] = ends.groupby("variant")["end_s"].shift(fill_value=0.0)
    ends["duration_s"] = ends["end_s"] - ends["begin_s"]
    return ends[["variant", "phase", "begin_s", "end_s", "duration_s", "n"]].reset_index(drop=True)


def startup_phases(phases: pd.DataFrame, trials: pd.DataFrame, summaries: pd.DataFrame, look: Look) -> go.Figure:
    """Seconds from the trigger to the first correct response, all variants on one scale.

    A row is a variant, or a variant at one load level where the summaries tell levels apart. Raises NothingToDraw if no
    valid trial has startup phases.
    """
    totals = select(summaries, metric=_METRIC)
    levels = list(dict.fromkeys(totals["level"].astype(str))) if totals["level"].nunique() > 1 else []
    valid = trials[trials["counts"] & trials[_METRIC].notna()]
    if phases.empty or valid.empty:
        raise NothingToDraw("No valid trial reached a first correct response, so there is no startup to draw.")
    figure, labels, values, ends = go.Figure(), [], [], []
    for name in look.present(valid):
        for level in levels or [""]:
            own = valid[(valid["variant"] == name) & ((valid["level"] == level) | (not level))]
            if own.empty:
                continue
            label = look.tick(name) + (f"<br>{plain(level)}" if level else "")
            labels.append(label)
            total = totals[(totals["variant"] == name) & ((totals["level"] == level) | (not level))]
            found = [Range.of(row) for row in rows(total)]
            struck_s = min((interval.low for interval in found if interval.low is not None), default=math.inf)
            _bar(figure, phase_ends(phases[phases["trial"].isin(own["trial"])]), label, look.colours[name], struck_s)
            for interval in found:
                _whisker(figure, interval, label)
                ends += [end for end in (interval.low, interval.high) if end is not None]
            _dots(figure, own, label, name, look)
            values += [float(value) for value in own[_METRIC]]
    count = len(labels)
    each = max(78 if count < 6 else 62 if count < 12 else 48, 15 * max(label.count("<br>") + 1 for label in labels) + 8)
    category = {"categoryorder": "array", "categoryarray": labels, "ticks": "", "showgrid": False, "fixedrange": True}
    # The dots stand on a twin of the category axis, shifted by a part of a row so that they are below the bars.
    shift = _LIFT - 0.36
    figure.update_layout(
        barmode="stack",
        xaxis=linear_axis(values, "seconds since the trigger", ends),
        yaxis={**category, "range": [count - 0.5 + _LIFT, -0.5 + _LIFT]},
        yaxis2={**category, "overlaying": "y", "visible": False, "range": [count - 0.5 + shift, -0.5 + shift]},
        uniformtext={"mode": "hide", "minsize": 11},
    )
    return finish(figure, height=rows_height(count, each=each, least=170), legend=False)


def _bar(figure: go.Figure, ends: pd.DataFrame, label: str, colour: str, struck_s: float) -> None:
    """The phases in one bar, each with its name unless the whisker, from ``struck_s`` on, would strike it through."""
    for i, row in enumerate(rows(ends)):
        phase = _phase(row)
        figure.add_bar(
            y=[label],
            x=[row["duration_s"]],
            base=[row["begin_s"]],
            orientation="h",
            width=0.5,
            # Neighbouring phases differ clearly in lightness; the variant keeps its hue.
            marker={"color": mix(colour, 0.72 if i % 2 == 0 else 0.45), "line": {"color": "#ffffff", "width": 1}},
            text=phase if struck_s > row["begin_s"] + _NAMED * row["duration_s"] else "",
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            textfont={"color": INK},
            hovertemplate=(
                f"<b>{label}</b><br>{phase}<br>%{{base:.4~f}} s to {row['end_s']:.4f} s"
                f"<br>{row['duration_s']:.4f} s long (medians of {row['n']} trials)<extra></extra>"
            ),
        )


def _whisker(figure: go.Figure, total: Range, label: str) -> None:
    figure.add_scatter(
        y=[label],
        x=[total.median],
        mode="markers",
        marker={"symbol": "line-ns", "size": 20, "line": {"color": INK, "width": 2.5}},
        error_x=whiskers([total], INK, thickness=2, width=7),
        hovertemplate=f"<b>{label}</b><br>{about_range(total, _METRIC)}<extra></extra>",
    )


def _dots(figure: go.Figure, own: pd.DataFrame, label: str, name: str, look: Look) -> None:
    figure.add_scatter(
        y=[label] * len(own),
        x=own[_METRIC].tolist(),
        mode="markers",
        marker={
            "color": look.colours[name],
            "symbol": look.symbols[name],
            "size": 8,
            "opacity": 0.85,
            "line": {"color": "#ffffff", "width": 1},
        },
        yaxis="y2",
        customdata=[[row["block"], plain(str(row["trial"]))] for row in rows(own)],
        hovertemplate="trial %{customdata[1]}<br>block %{customdata[0]}<br>%{x:.4f} s<extra></extra>",
    )


def startup_timeline(phases: pd.DataFrame, variant: str, look: Look) -> go.Figure:
    """One variant's phases below each other on a scale of their own, each bar from one median moment to the next.

    Raises NothingToDraw if no valid trial of it has phases.
    """
    ends = phase_ends(select(phases, variant=variant))
    if ends.empty:
        raise NothingToDraw(f"No valid trial of {look.label(variant)} reached a first correct response.")
    names = [_phase(row) for row in rows(ends)]
    figure = go.Figure()
    figure.add_bar(
        y=names,
        x=ends["duration_s"].tolist(),
        base=ends["begin_s"].tolist(),
        orientation="h",
        width=0.66,
        marker={"color": look.colours[variant]},
        text=[_short(row["duration_s"]) for row in rows(ends)],
        textposition="outside",
        cliponaxis=False,
        customdata=ends["end_s"].tolist(),
        hovertemplate="%{y}<br>reached after %{customdata:.4f} s<br>%{x:.4f} s long<extra></extra>",
    )
    figure.update_layout(
        xaxis={
            "title": {"text": "seconds since the trigger"},
            "range": [0, float(ends["end_s"].max()) * 1.3],
            "nticks": 6,
        },
        yaxis={
            "categoryorder": "array",
            "categoryarray": names,
            "range": [len(names) - 0.5, -0.5],
            "ticks": "",
            "showgrid": False,
        },
    )
    return finish(figure, height=rows_height(len(names), each=27, least=110), legend=False)


def _phase(row: dict[str, Any]) -> str:
    return plain(str(row["phase"]).replace("_", " "))


def _short(seconds: float) -> str:
    """A duration with a unit that suits it."""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.1f} ms"
