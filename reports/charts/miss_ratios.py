"""Miss-ratio curves: what each policy misses against the size of the cache."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from reports.charts.style import INK, NothingToDraw, finish, log_ticks
from reports.frames import rows
from reports.labels import plain

LIMIT = "Belady"
"""The policy that is drawn as a limit, not as one to choose."""

# Okabe and Ito's where they have a contrast of 3:1 on white, then darker ones; dashes tell apart what colours may not.
_COLOURS = (
    "#0072B2",
    "#D55E00",
    "#00835F",
    "#8E5EA2",
    "#7A6A00",
    "#B03A72",
    "#2F8A9D",
    "#8C4A2F",
    "#4D4D4D",
    "#C2185B",
)
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
_SYMBOLS = (
    "circle",
    "square",
    "diamond",
    "cross",
    "triangle-up",
    "star",
    "hexagon",
    "triangle-down",
    "pentagon",
    "bowtie",
)


def miss_ratio_chart(
    curves: pd.DataFrame,
    column: str = "miss_ratio",
    real: pd.DataFrame | None = None,
    whole: str = "the footprint",
) -> go.Figure:
    """A line per policy over the cache sizes (as shares of ``whole``, log scale); Belady's thick and dotted.

    ``curves`` has ``policy``, ``size``, ``cache_bytes``, ``cache_share`` and ``column``, ratios 0..1; ``real`` the same
    of real caches, which are drawn as open circles, named by ``policy``. Raises NothingToDraw if ``curves`` is empty.
    """
    if curves.empty:
        raise NothingToDraw("No policy was simulated.")
    figure = go.Figure()
    for i, name in enumerate(dict.fromkeys(curves["policy"])):
        own = curves[curves["policy"] == name].sort_values("cache_bytes")
        limit = name == LIMIT
        colour = INK if limit else _COLOURS[i % len(_COLOURS)]
        figure.add_scatter(
            x=(100 * own["cache_share"]).tolist(),
            y=own[column].tolist(),
            mode="lines+markers",
            name=plain(str(name)),
            line={
                "color": colour,
                "width": 3 if limit else 2,
                "dash": "dot" if limit else _DASHES[i % len(_DASHES)],
            },
            marker={"symbol": "x" if limit else _SYMBOLS[i % len(_SYMBOLS)], "size": 8, "color": colour},
            customdata=[f"{plain(str(row['size']))} ({row['cache_bytes']:,} bytes)" for row in rows(own)],
            hovertemplate=f"<b>{plain(str(name))}</b><br>%{{customdata}}<br>misses %{{y:.4f}}<extra></extra>",
        )
    if real is not None and not real.empty:
        _real(figure, real, column)
    shares = [100 * float(share) for share in curves["cache_share"]]
    figure.update_layout(
        xaxis={
            "type": "log",
            "title": {"text": f"cache size, % of {whole}, log scale"},
            "tickangle": 0,
            **log_ticks(shares),
        },
        yaxis={"title": {"text": "miss ratio"}, "rangemode": "normal", "tickformat": ".2f"},
        hovermode="closest",
    )
    return finish(figure, height=440)


def _real(figure: go.Figure, real: pd.DataFrame, column: str) -> None:
    figure.add_scatter(
        x=(100 * real["cache_share"]).tolist(),
        y=real[column].tolist(),
        mode="markers",
        name="real caches",
        marker={"symbol": "circle-open", "size": 11, "color": INK, "line": {"color": INK, "width": 1.6}},
        customdata=[f"{plain(str(row['policy']))}, {row['cache_bytes']:,.0f} bytes" for row in rows(real)],
        hovertemplate="<b>%{customdata}</b><br>misses %{y:.4f}<extra></extra>",
    )
