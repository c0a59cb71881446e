"""Regions: how far each is from the origin and from its point of presence, and how soon its clients were answered."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from harness.analysis.caching import parts_of
from harness.analysis.selection import select
from reports.charts.latency import arrivals, quantile_grid
from reports.charts.style import INK, MUTED, NothingToDraw, finish, rows_height, value_axis
from reports.frames import rows
from reports.labels import Look, plain, wrapped

_POP, _ORIGIN = "#00835F", "#0072B2"
_DASHES = {"none": None, "hit": "solid", "miss": "dot"}
_SAID = {"none": "", "hit": ", hits", "miss": ", misses"}


def region_distances(rtts: pd.DataFrame) -> go.Figure:
    """A row per region, the nearest to the origin first: measured round-trip times to the origin and to its own PoP.

    A marker is the median over the trials, a tick what the experiment asks for. Raises NothingToDraw if nothing was
    measured.
    """
    own = rtts[rtts["own"]]
    if own.empty:
        raise NothingToDraw("No valid trial has measured a round-trip time.")
    medians = own.groupby(["region", "role"], sort=False)[["median_ms", "asked_ms"]].median().reset_index()
    to_origin = select(medians, role="origin").sort_values("median_ms")
    names = [*to_origin["region"], *(r for r in dict.fromkeys(medians["region"]) if r not in set(to_origin["region"]))]
    place = {name: i for i, name in enumerate(names)}
    figure = go.Figure()
    for name, spans in medians.groupby("region", sort=False):
        figure.add_scatter(
            x=[0.0, *spans["median_ms"]],
            y=[place[str(name)]] * (1 + len(spans)),
            mode="lines",
            line={"color": MUTED, "width": 1.5},
            hoverinfo="skip",
            showlegend=False,
        )
    for role, title, colour, symbol in (
        ("origin", "to the origin", _ORIGIN, "square"),
        ("pop", "to its point of presence", _POP, "circle"),
    ):
        mine = select(medians, role=role)
        if mine.empty:
            continue
        figure.add_scatter(
            x=mine["median_ms"].tolist(),
            y=[place[name] for name in mine["region"]],
            mode="markers",
            name=title,
            marker={"color": colour, "symbol": symbol, "size": 12},
            customdata=[[plain(row["region"]), row["asked_ms"]] for row in rows(mine)],
            hovertemplate=f"<b>%{{customdata[0]}}</b> {title}<br>measured %{{x:.2f}} ms, asked %{{customdata[1]:g}} ms"
            "<extra></extra>",
        )
    asked = medians["asked_ms"].tolist()
    figure.add_scatter(
        x=asked,
        y=[place[name] for name in medians["region"]],
        mode="markers",
        name="as asked",
        marker={"symbol": "line-ns", "size": 18, "line": {"color": INK, "width": 1.5}},
        hoverinfo="skip",
    )
    top = max([*medians["median_ms"], *asked]) * 1.06 or 1.0
    figure.update_layout(
        xaxis={"title": {"text": "round-trip time, ms"}, "range": [-0.02 * top, top], "zeroline": False},
        yaxis={
            "tickmode": "array",
            "tickvals": list(range(len(names))),
            "ticktext": [wrapped(name) for name in names],
            "range": [len(names) - 0.5, -0.5],
            "showgrid": False,
            "zeroline": False,
            "ticks": "",
        },
        legend={"itemclick": False, "itemdoubleclick": False},
    )
    return finish(figure, height=rows_height(len(names), each=38, legend=True))


def region_ecdf(samples: pd.DataFrame, look: Look, points: int = 120) -> go.Figure:
    """Per variant: the share of one region's requests answered within a time; hits and misses of a cache apart.

    Solid or the variant's own dash: without a cache, or hits; dotted: misses. All valid trials together, at ``points``
    percentiles, half of them in the tail. Raises NothingToDraw if there are no samples.
    """
    samples = arrivals(samples)
    if samples.empty:
        raise NothingToDraw("No valid trial has requests from this region.")
    part = parts_of(samples["cache"])
    figure = go.Figure()
    everything: list[float] = []
    for name in look.present(samples):
        for word, dash in _DASHES.items():
            values = samples.loc[(samples["variant"] == name) & (part == word), "latency_ms"].to_numpy(dtype=float)
            if not len(values):
                continue
            tail = quantile_grid(1.0 - 1.0 / (len(values) + 1), points // 2)
            grid = np.unique(np.concatenate([np.linspace(0.0, 1.0, points // 2), tail]))
            x = np.quantile(values, grid, method="inverted_cdf")
            everything += [float(x[0]), float(x[-1])]
            title = f"{plain(look.label(name))}{_SAID[word]}"
            figure.add_scatter(
                x=[round(float(value), 3) for value in x],
                y=[round(100 * float(p), 4) for p in grid],
                mode="lines",
                line={"color": look.colours[name], "width": 2.2, "dash": dash or look.dashes[name], "shape": "hv"},
                name=title,
                hovertemplate=f"<b>{title}</b><br>%{{y:.4~f}} % within %{{x:.3~f}} ms<br>{len(values):,} requests"
                "<extra></extra>",
            )
    figure.update_layout(
        xaxis=value_axis(everything, "ms"),
        yaxis={"title": {"text": "% of requests"}, "range": [0, 101]},
        hovermode="closest",
    )
    return finish(figure, height=340 + 18 * len(figure.data))
