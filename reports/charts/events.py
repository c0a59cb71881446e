"""An event on its timeline: what clients were answered, and what failed, from before the act to after it."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from harness.analysis.events import BIN_S
from harness.analysis.selection import select
from reports.charts.style import INK, NothingToDraw, finish
from reports.labels import Look, mix, plain

FAILED = "#a4262c"
_HATCHED = {"shape": "/", "size": 6, "solidity": 0.2, "fgcolor": "#ffffff", "fillmode": "overlay"}


def event_timeline(timeline: pd.DataFrame, events: pd.DataFrame, variant: str, look: Look) -> go.Figure:
    """Requests per second by intended time, in bins of 0.25 s: answered, answered slowly, failed; means of the trials.

    ``timeline`` and ``events``: rows of one event. A solid line is the act's begin, a dotted one the median moment of
    the first correct response after it. Raises NothingToDraw if no trial of the variant was watched.
    """
    own = select(timeline, variant=variant)
    if own.empty:
        raise NothingToDraw(f"No valid trial of {look.label(variant)} has this event.")
    means = own.groupby("since_event_s")[["answered", "slow", "failed"]].mean() / BIN_S
    x = [float(begin) + BIN_S / 2 for begin in means.index]
    colour = look.colours[variant]
    figure = go.Figure()
    for name, values, marker in (
        ("answered", means["answered"] - means["slow"], {"color": mix(colour, 0.5)}),
        ("answered slowly", means["slow"], {"color": colour}),
        ("failed", means["failed"], {"color": FAILED, "pattern": _HATCHED}),
    ):
        figure.add_bar(
            x=x,
            y=[round(float(value), 2) for value in values],
            name=name,
            marker={**marker, "line": {"width": 0}},
            width=BIN_S,
            hovertemplate=f"<b>{plain(look.label(variant))}</b><br>%{{x:.2f}} s<br>{name} %{{y:,.1f}}/s<extra></extra>",
        )
    _marks(figure, select(events, variant=variant))
    figure.update_layout(
        barmode="stack",
        bargap=0,
        xaxis={"title": {"text": "seconds since the event began"}, "zeroline": False, "nticks": 9},
        yaxis={"title": {"text": "requests/s"}, "rangemode": "tozero", "nticks": 5},
    )
    return finish(figure, height=210, legend=False)


def _marks(figure: go.Figure, events: pd.DataFrame) -> None:
    figure.add_vline(x=0, line={"color": INK, "width": 2})
    down = events["down_s"].dropna()
    if len(down):
        figure.add_vline(x=float(down.median()), line={"color": INK, "width": 2, "dash": "dot"})
