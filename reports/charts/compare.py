"""Comparisons: each metric's ratio to the baseline with its interval, and the noise floor."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from harness.analysis.selection import select
from reports.charts.style import MUTED, NothingToDraw, finish, log_ticks, row_each, rows_height, whiskers
from reports.frames import Range, rows
from reports.labels import Look, plain

RESOLVED = ("worse", "better")


def ratio_forest(comparisons: pd.DataFrame, look: Look) -> go.Figure:
    """A row per metric and level: each ratio as a marker, its interval as a line; open unless it is resolved.

    Raises NothingToDraw if nothing was compared.
    """
    shown = comparisons[comparisons["ratio"].notna()].reset_index(drop=True)
    if shown.empty:
        raise NothingToDraw("Nothing was compared: a comparison needs valid trials of a variant and of the baseline.")
    several = shown.groupby("metric")["level"].transform("nunique") > 1
    keys = list(zip(shown["metric"].astype(str), shown["level"].astype(str).where(several, ""), strict=True))
    place = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    figure = go.Figure()
    for name in look.present(shown):
        mine = [(place[key], row) for key, row in zip(keys, rows(shown), strict=True) if row["variant"] == name]
        _variant(figure, mine, name, look, _offset(name, look))
    texts = [plain(metric) + (f"<br>{plain(level)}" if level else "") for metric, level in place]
    values = [float(v) for column in ("ratio", "low", "high") for v in shown[column].dropna() if v > 0]
    figure.add_vline(x=1, line={"color": MUTED, "width": 1.5, "dash": "dot"})
    figure.update_layout(
        xaxis={"type": "log", "title": {"text": "ratio to the baseline, log scale"}, **log_ticks([*values, 1.0])},
        yaxis={
            "tickmode": "array",
            "tickvals": list(range(len(texts))),
            "ticktext": texts,
            "range": [len(texts) - 0.5, -0.5],
            "showgrid": False,
            "zeroline": False,
            "ticks": "",
        },
        legend={"itemclick": False, "itemdoubleclick": False},
    )
    return finish(figure, height=rows_height(len(texts), each=44, legend=True))


def ratio_rows(comparisons: pd.DataFrame, name: str, look: Look) -> go.Figure:
    """One metric, a row per variant and level: for more variants than can stand side by side in a row.

    Raises NothingToDraw if nothing was compared.
    """
    shown = comparisons[(comparisons["metric"] == name) & comparisons["ratio"].notna()]
    if shown.empty:
        raise NothingToDraw("Nothing was compared: a comparison needs valid trials of a variant and of the baseline.")
    several = shown["level"].nunique() > 1
    ordered = [row for variant in look.present(shown) for row in rows(select(shown, variant=variant))]
    figure = go.Figure()
    for name_of in look.present(shown):
        mine = [(place, row) for place, row in enumerate(ordered) if row["variant"] == name_of]
        _variant(figure, mine, name_of, look, offset=0.0)
    texts = [look.tick(row["variant"]) + (f"<br>{plain(row['level'])}" if several else "") for row in ordered]
    values = [float(row["ratio"]) for row in ordered]
    ends = [float(row[end]) for row in ordered for end in ("low", "high") if row[end] > 0]
    # An interval of few trials can reach so far that no ratio could be read: it goes on beyond the edge.
    low = max(min([*values, *ends, 1.0]), min([*values, 1.0]) / 2.5) / 1.1
    high = min(max([*values, *ends, 1.0]), max([*values, 1.0]) * 2.5) * 1.1
    figure.add_vline(x=1, line={"color": MUTED, "width": 1.5, "dash": "dot"})
    figure.update_layout(
        xaxis={
            "type": "log",
            "title": {"text": "ratio to the baseline, log scale"},
            "range": [math.log10(low), math.log10(high)],
            **log_ticks([low, high]),
        },
        yaxis={
            "tickmode": "array",
            "tickvals": list(range(len(texts))),
            "ticktext": texts,
            "range": [len(texts) - 0.5, -0.5],
            "showgrid": False,
            "zeroline": False,
            "ticks": "",
        },
    )
    each = row_each(look.lines(look.present(shown)) + several, 44, crowded=True)
    return finish(figure, height=rows_height(len(texts), each=each), legend=False)


def _offset(variant: str, look: Look) -> float:
    """Variants side by side within a row, so that equal ratios do not cover each other."""
    count = len(look.order)
    return 0.6 * (look.order.index(variant) - (count - 1) / 2) / max(count, 2)


def _variant(figure: go.Figure, mine: list[tuple[int, dict[str, Any]]], name: str, look: Look, offset: float) -> None:
    ratios = [Range.of(row, "ratio") for _, row in mine]
    colour = look.colours[name]
    figure.add_scatter(
        x=[ratio.median for ratio in ratios],
        y=[place + offset for place, _ in mine],
        error_x=whiskers(ratios, colour, thickness=3, width=0),
        mode="markers",
        name=plain(look.label(name)),
        marker={
            "color": [colour if row["verdict"] in RESOLVED else "#ffffff" for _, row in mine],
            "symbol": look.symbols[name],
            "size": 10,
            "line": {"color": colour, "width": 2},
        },
        customdata=[
            f"{plain(look.label(name))} against {plain(look.labels.get(row['baseline'], row['baseline']))}"
            f"<br>{plain(row['metric'])}<br>ratio {ratio.median:.3f}"
            + (f", {ratio.low:.3f} to {ratio.high:.3f}" if ratio.low is not None else ", no interval")
            + f"<br>{plain(row['verdict'])}"
            for (_, row), ratio in zip(mine, ratios, strict=True)
        ],
        hovertemplate="%{customdata}<extra></extra>",
    )
