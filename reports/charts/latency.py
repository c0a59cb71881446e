"""Latency: percentile curves with a tail axis of nines, and the share of requests answered by a time."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from harness.analysis.percentiles import CONFIDENCE
from reports.charts.style import NothingToDraw, finish, value_axis
from reports.labels import Look, clear, plain

_TICKS = (0.5, 0.9, 0.99, 0.999, 0.9999)


def nines(p: float) -> float:
    """Where percentile ``p`` (0..1) stands on the tail axis: 90 % at 1, 99 % at 2, 99.9 % at 3."""
    return -math.log10(1.0 - p)


def highest_percentile(count: int) -> float:
    """The highest percentile (0..1) that ``count`` samples support with a two-sided 95 % order-statistic interval.

    The interval's upper end exists where p**count <= 0.025; so 36 samples for p90, 368 for p99, 3,688 for p99.9
    (docs/method.md, rule 2). 0 for no samples.
    """
    return float(((1 - CONFIDENCE) / 2) ** (1.0 / count)) if count > 0 else 0.0


def quantile_grid(top: float, points: int = 160) -> np.ndarray:
    """Percentiles 0..``top``, even on the tail axis, so that a curve of few points keeps its tail."""
    return 1.0 - np.power(10.0, -np.linspace(0.0, nines(top), points))


def arrivals(samples: pd.DataFrame) -> pd.DataFrame:
    """The requests that have a place in the schedule, as in the tables: a task's later requests (``#``) have none."""
    return samples[~samples["task"].astype(str).str.contains("#", regex=False)] if "task" in samples else samples


def percentile_curves(samples: pd.DataFrame, look: Look, column: str = "latency_ms", points: int = 160) -> go.Figure:
    """Per variant: the median trial's percentile at each point as a line, lowest to highest trial as a band.

    ``samples`` of one load level. A curve ends where its smallest trial has too few samples for the percentile.
    Raises NothingToDraw if there are no samples.
    """
    samples = arrivals(samples)
    curves = {name: _curve(samples.loc[samples["variant"] == name], column, points) for name in look.present(samples)}
    if not curves:
        raise NothingToDraw("No valid trial has latency samples.")
    figure = go.Figure()
    for name, (grid, low, middle, high) in curves.items():
        x = [nines(p) for p in grid]
        if (high > low).any():
            _band(figure, x, low, high, look.colours[name], plain(look.label(name)))
        figure.add_scatter(
            x=x,
            y=_rounded(middle),
            mode="lines",
            name=plain(look.label(name)),
            legendgroup=plain(look.label(name)),
            line={"color": look.colours[name], "width": 2.4, "dash": look.dashes[name]},
            customdata=[f"{100 * p:.4g}" for p in grid],
            hovertemplate=f"<b>{plain(look.label(name))}</b><br>%{{customdata}} % of requests within %{{y:.3~f}} ms"
            "<extra></extra>",
        )
    top = max(grid[-1] for grid, *_ in curves.values())
    ticks = [p for p in _TICKS if p <= top]
    everything = [float(v) for _, low, _, high in curves.values() for v in (low.min(), high.max())]
    figure.update_layout(
        xaxis={
            "tickmode": "array",
            "tickvals": [nines(p) for p in ticks],
            "ticktext": [f"{100 * p:g} %" for p in ticks],
            "title": {"text": "percentile of requests, tail stretched"},
            "range": [0, nines(top) * 1.02],
        },
        yaxis={**value_axis(everything, "ms"), "automargin": True},
        hovermode="closest",
    )
    _scale_buttons(figure, everything)
    return finish(figure, height=400)


def _curve(own: pd.DataFrame, column: str, points: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The grid, and at each of its points the lowest, the median and the highest of the trials' percentiles."""
    trials = [part.to_numpy(dtype=float) for _, part in own.groupby("trial")[column]]
    grid = quantile_grid(highest_percentile(min(len(trial) for trial in trials)), points)
    table = np.vstack([np.quantile(trial, grid, method="inverted_cdf") for trial in trials])
    return grid, table.min(axis=0), np.median(table, axis=0), table.max(axis=0)


def _band(figure: go.Figure, x: Sequence[float], low: np.ndarray, high: np.ndarray, colour: str, group: str) -> None:
    figure.add_scatter(
        x=[*x, *reversed(x)],
        y=[*_rounded(high), *reversed(_rounded(low))],
        fill="toself",
        fillcolor=clear(colour, 0.16),
        line={"width": 0},
        mode="lines",
        legendgroup=group,
        showlegend=False,
        hoverinfo="skip",
    )


def _scale_buttons(figure: go.Figure, values: Sequence[float]) -> None:
    """Logarithmic or linear milliseconds, the fitting one first."""
    log = value_axis(values, "ms").get("type") == "log"
    choices = [
        {
            "label": "log ms",
            "method": "relayout",
            "args": [{"yaxis.type": "log", "yaxis.autorange": True, "yaxis.rangemode": "normal"}],
        },
        {
            "label": "linear ms",
            "method": "relayout",
            "args": [{"yaxis.type": "linear", "yaxis.autorange": True, "yaxis.rangemode": "tozero"}],
        },
    ]
    figure.update_layout(
        updatemenus=[
            {
                "type": "buttons",
                "direction": "right",
                "buttons": choices,
                "active": 0 if log else 1,
                "x": 1,
                "xanchor": "right",
                "y": 0.02,
                "yanchor": "bottom",
                "pad": {"r": 4, "b": 4},
                "font": {"size": 11},
                "showactive": True,
            }
        ]
    )


def ecdf(samples: pd.DataFrame, look: Look, column: str = "latency_ms", points: int = 400) -> go.Figure:
    """Per variant: the share of requests answered within a time, all valid trials of one load level together.

    Drawn at ``points`` percentiles, half of them even and half crowded into the tail, up to the slowest request.
    Raises NothingToDraw if there are no samples.
    """
    samples = arrivals(samples)
    names = look.present(samples)
    if not names:
        raise NothingToDraw("No valid trial has latency samples.")
    figure = go.Figure()
    everything: list[float] = []
    for name in names:
        values = samples.loc[samples["variant"] == name, column].to_numpy(dtype=float)
        tail = quantile_grid(1.0 - 1.0 / (len(values) + 1), points // 2)
        grid = np.unique(np.concatenate([np.linspace(0.0, 1.0, points // 2), tail]))
        x = np.quantile(values, grid, method="inverted_cdf")
        everything += [float(x[0]), float(x[-1])]
        figure.add_scatter(
            x=_rounded(x),
            y=[round(100 * float(p), 4) for p in grid],
            mode="lines",
            line={"color": look.colours[name], "width": 2.4, "dash": look.dashes[name], "shape": "hv"},
            name=plain(look.label(name)),
            hovertemplate=f"<b>{plain(look.label(name))}</b><br>%{{y:.4~f}} % within %{{x:.3~f}} ms"
            f"<br>{len(values):,} requests<extra></extra>",
        )
    figure.update_layout(
        xaxis=value_axis(everything, "ms"),
        yaxis={"title": {"text": "% of requests"}, "range": [0, 101]},
        hovermode="closest",
    )
    return finish(figure, height=400)


def _rounded(values: np.ndarray) -> list[float]:
    """Microseconds are enough for a picture, and keep the file small."""
    return [round(float(value), 3) for value in values]
