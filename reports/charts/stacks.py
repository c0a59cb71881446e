"""Parts of a whole per variant: memory by role, the views of memory, the footprint on disk."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from reports.charts.style import INK, NothingToDraw, finish, row_each, rows_height
from reports.labels import Look, mix, plain

# Parts are told apart by pattern, because the colour already says which variant it is.
_PATTERNS = ("", "/", "x", ".", "-", "|", "+", "\\")
_KEY_COLOUR = "#6b7480"


def stacked_parts(parts: pd.DataFrame, look: Look, *, title: str, whole: str = "total") -> go.Figure:
    """Horizontal stacked bars. ``parts``: ``variant``, ``row`` (a further key, may be empty), ``part``, ``mib``.

    ``title`` names the amount on the axis, ``whole`` the sum at the end of each bar. Raises NothingToDraw if empty.
    """
    if parts.empty:
        raise NothingToDraw("No trial measured this.")
    keys = [(v, row) for v in look.present(parts) for row in dict.fromkeys(parts.loc[parts["variant"] == v, "row"])]
    texts = [look.tick(v) + (f"<br>{plain(str(row))}" if row else "") for v, row in keys]
    each = row_each(look.lines(look.present(parts)) + any(row for _, row in keys), 44, look.crowded)
    amounts = parts.groupby(["variant", "row", "part"], sort=False)["mib"].sum()
    names = list(dict.fromkeys(parts["part"].astype(str)))
    figure = go.Figure()
    for i, name in enumerate(names):
        pattern = _PATTERNS[i % len(_PATTERNS)]
        for (variant, row), text in zip(keys, texts, strict=True):
            if (variant, row, name) not in amounts.index:
                continue
            figure.add_bar(
                x=[float(amounts[(variant, row, name)])],
                y=[text],
                orientation="h",
                width=0.62,
                showlegend=False,
                marker=_marker(look.colours[variant], pattern),
                hovertemplate=f"%{{y}}<br>{plain(name)}: %{{x:,.1f}} MiB<extra></extra>",
            )
        figure.add_bar(x=[None], y=[texts[0]], orientation="h", name=plain(name), marker=_marker(_KEY_COLOUR, pattern))
    _sums(figure, [float(amounts.loc[(v, row)].sum()) for v, row in keys], texts, whole)
    figure.update_layout(
        barmode="stack",
        xaxis={"rangemode": "tozero", "title": {"text": title}},
        yaxis={
            "categoryorder": "array",
            "categoryarray": texts,
            "range": [len(keys) - 0.5, -0.5],
            "showgrid": False,
            "ticks": "",
        },
        legend={"itemclick": False, "itemdoubleclick": False},
    )
    return finish(figure, height=rows_height(len(keys), each=each, legend=True))


def _marker(colour: str, pattern: str) -> dict[str, object]:
    return {
        "color": mix(colour, 0.62) if pattern else colour,
        "pattern": {"shape": pattern, "fgcolor": colour, "size": 7, "solidity": 0.35, "fillmode": "overlay"},
        "line": {"color": colour, "width": 1},
    }


def _sums(figure: go.Figure, sums: Sequence[float], texts: Sequence[str], whole: str) -> None:
    figure.add_scatter(
        x=list(sums),
        y=list(texts),
        mode="text",
        text=[f" {value:,.1f}" for value in sums],
        textposition="middle right",
        textfont={"color": INK, "size": 12},
        cliponaxis=False,
        showlegend=False,
        hovertemplate=f"%{{y}}<br>{plain(whole)}: %{{x:,.1f}} MiB<extra></extra>",
    )
    # Room for the sum behind the longest bar.
    figure.update_layout(xaxis={"range": [0, (max(sums) or 1.0) * 1.2]})
