"""Eviction policies: what a real cache keeps against what the simulation of its policy does."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from harness.analysis.selection import select
from reports.charts.style import INK, NothingToDraw, finish, row_each, rows_height, whiskers
from reports.frames import Range, rows
from reports.labels import Look, plain


def real_against_simulated(policies: pd.DataFrame, look: Look) -> go.Figure:
    """A row per variant: its hit ratio by requests with the interval, and the simulated one as an open diamond.

    ``policies``: rows of one sequence. Raises NothingToDraw if there are none.
    """
    if policies.empty:
        raise NothingToDraw("No valid trial replayed this sequence through one cache.")
    ordered = [row for name in look.present(policies) for row in rows(select(policies, variant=name))]
    figure = go.Figure()
    for place, row in enumerate(ordered):
        name = row["variant"]
        found = _percent(row)
        figure.add_scatter(
            x=[found.median],
            y=[place],
            error_x=whiskers([found], look.colours[name], thickness=3, width=0),
            mode="markers",
            marker={"color": look.colours[name], "symbol": look.symbols[name], "size": 10},
            hovertemplate=f"<b>{plain(look.label(name))}</b><br>real: %{{x:.2f}} % of requests"
            f"<br>{found.n} trial{'s' * (found.n != 1)}<extra></extra>",
        )
        if pd.notna(row["simulated"]):
            figure.add_scatter(
                x=[100 * row["simulated"]],
                y=[place],
                mode="markers",
                marker={"color": "rgba(255,255,255,0)", "symbol": "diamond-tall", "size": 16, "line": _OPEN},
                hovertemplate=f"<b>{plain(row['simulated_policy'])}</b>, simulated<br>%{{x:.2f}} % of requests"
                f"<br>real less simulated: {row['points']:+.2f} points<extra></extra>",
            )
    values = [100 * row[name] for row in ordered for name in ("hit_ratio", "simulated") if pd.notna(row[name])]
    low, high = min(values), max(values)
    pad = 0.08 * (high - low) or 1.0
    figure.update_layout(
        xaxis={"title": {"text": "hit ratio, % of requests"}, "range": [max(0, low - pad), min(100, high + pad)]},
        yaxis={
            "tickmode": "array",
            "tickvals": list(range(len(ordered))),
            "ticktext": [look.tick(row["variant"]) for row in ordered],
            "range": [len(ordered) - 0.5, -0.5],
            "showgrid": False,
            "zeroline": False,
            "ticks": "",
        },
    )
    each = row_each(look.lines(look.present(policies)), 40, look.crowded)
    return finish(figure, height=rows_height(len(ordered), each=each), legend=False)


_OPEN = {"color": INK, "width": 1.8}


def _percent(row: dict[str, float]) -> Range:
    ends = [None if pd.isna(row[f"hit_ratio_{end}"]) else 100 * row[f"hit_ratio_{end}"] for end in ("low", "high")]
    return Range(100 * row["hit_ratio"], ends[0], ends[1], int(row["n"]))
