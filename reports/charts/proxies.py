"""What proxies add to the latency."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from harness.analysis.selection import select
from reports.charts.compare import RESOLVED
from reports.charts.style import MUTED, NothingToDraw, finish, row_each, rows_height, whiskers
from reports.frames import Range, rows
from reports.labels import Look, plain

_BEYOND = 2.5


def added_latency(proxies: pd.DataFrame, metric: str, look: Look) -> go.Figure:
    """A row per variant with a proxy and level: milliseconds added to direct, with the interval; open if not resolved.

    Raises NothingToDraw if no variant with a proxy was compared.
    """
    shown = select(proxies, metric=metric)
    if shown.empty:
        raise NothingToDraw("No variant with a proxy was compared with the same one without.")
    several = shown["level"].nunique() > 1
    ordered = [row for name in look.present(shown) for row in rows(select(shown, variant=name))]
    figure = go.Figure()
    for place, row in enumerate(ordered):
        found, colour = Range.of(row, "added_ms"), look.colours[row["variant"]]
        interval = "no interval" if found.low is None else f"{found.low:+.3f} to {found.high:+.3f} ms"
        figure.add_scatter(
            x=[found.median],
            y=[place],
            error_x=whiskers([found], colour, thickness=3, width=0),
            mode="markers",
            marker={
                "color": colour if row["verdict"] in RESOLVED else "#ffffff",
                "symbol": look.symbols[row["variant"]],
                "size": 10,
                "line": {"color": colour, "width": 2},
            },
            hovertemplate=f"<b>{plain(look.label(row['variant']))}</b> against {plain(look.label(row['direct']))}"
            f"<br>%{{x:+.3f}} ms, {interval}<br>{plain(row['verdict'])}<extra></extra>",
        )
    values = [0.0, *(float(row["added_ms"]) for row in ordered)]
    ends = [float(row[end]) for row in ordered for end in ("low", "high") if pd.notna(row[end])]
    # An interval of few trials can reach so far that nothing could be read: it goes on beyond the edge.
    reach = _BEYOND * (max(values) - min(values) or 1.0)
    low, high = max(min([*values, *ends]), -reach), min(max([*values, *ends]), reach)
    pad = 0.06 * (high - low)
    figure.add_vline(x=0, line={"color": MUTED, "width": 1.5, "dash": "dot"})
    figure.update_layout(
        xaxis={"title": {"text": "ms added to direct"}, "range": [low - pad, high + pad], "zeroline": False},
        yaxis={
            "tickmode": "array",
            "tickvals": list(range(len(ordered))),
            "ticktext": [
                look.tick(row["variant"]) + (f"<br>{plain(row['level'])}" if several else "") for row in ordered
            ],
            "range": [len(ordered) - 0.5, -0.5],
            "showgrid": False,
            "zeroline": False,
            "ticks": "",
        },
    )
    each = row_each(look.lines(look.present(shown)) + several, 44, look.crowded)
    return finish(figure, height=rows_height(len(ordered), each=each), legend=False)
