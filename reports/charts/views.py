"""The views of memory side by side: what must not be added up."""

from __future__ import annotations

from typing import cast

import pandas as pd
import plotly.graph_objects as go

from reports.charts.style import INK, NothingToDraw, finish, row_each, rows_height, value_axis
from reports.labels import Look, plain

_OFFSETS = {"idle": -0.17, "load": 0.17}


def views_dots(views: pd.DataFrame, look: Look) -> go.Figure:
    """``views``: ``variant``, ``view``, ``moment`` (``idle``, ``load``), ``trial``, ``mib``.

    A marker is a trial, open at idle and filled under load, a dark tick the median. Raises NothingToDraw if empty.
    """
    if views.empty:
        raise NothingToDraw("No valid trial has a memory reading.")
    keys = [(v, str(view)) for view in dict.fromkeys(views["view"]) for v in look.present(views[views["view"] == view])]
    each = row_each(look.lines(look.present(views)) + 1, 46, look.crowded)
    place = {key: i for i, key in enumerate(keys)}
    figure = go.Figure()
    for key, own in views.groupby(["variant", "view", "moment"], sort=False):
        variant, view, moment = (str(part) for part in cast("tuple[object, object, object]", key))
        y = place[(variant, view)] + _OFFSETS.get(moment, 0.0)
        colour = look.colours[variant]
        when = "idle" if moment == "idle" else "under load"
        figure.add_scatter(
            x=own["mib"].tolist(),
            y=[y] * len(own),
            mode="markers",
            marker={
                "color": "#ffffff" if moment == "idle" else colour,
                "symbol": look.symbols[variant],
                "size": 9,
                "opacity": 0.85,
                "line": {"color": colour, "width": 1.6},
            },
            customdata=own["trial"].astype(str).map(plain).tolist(),
            hovertemplate=f"<b>{plain(look.label(variant))}</b>, {plain(view)}, {when}<br>%{{x:,.1f}} MiB"
            "<br>trial %{customdata}<extra></extra>",
        )
        figure.add_scatter(
            x=[float(own["mib"].median())],
            y=[y],
            mode="markers",
            marker={"symbol": "line-ns", "size": 16, "line": {"color": INK, "width": 2.2}},
            hovertemplate=f"{when}: median %{{x:,.1f}} MiB<extra></extra>",
        )
    figure.update_layout(
        xaxis=value_axis([float(value) for value in views["mib"]], "MiB"),
        yaxis={
            "tickmode": "array",
            "tickvals": list(range(len(keys))),
            "ticktext": [f"{look.tick(v)}<br>{plain(view)}" for v, view in keys],
            "range": [len(keys) - 0.5, -0.5],
            "showgrid": False,
            "zeroline": False,
            "ticks": "",
        },
    )
    return finish(figure, height=rows_height(len(keys), each=each), legend=False)
