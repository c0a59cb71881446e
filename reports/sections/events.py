"""The section on change, failure and scale: each event on its timeline, and what clients noticed of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from harness.analysis.events import BIN_S, MOMENTS, SLOW_FACTOR, SLOW_LEAST_MS, down
from harness.analysis.formatting import figure
from harness.analysis.intervals import known
from harness.analysis.selection import select
from harness.units import DOWN
from reports import charts
from reports.blocks import Block, Cell, Group, Heading, Section, Table, Text, draw
from reports.frames import rows
from reports.labels import Look

if TYPE_CHECKING:
    from harness.analysis import Campaign

_DONE = {"kill": "Kill", "restart": "Restart", "replace": "Replace", "scale": "Scale"}


def events(campaign: Campaign, look: Look) -> Section | None:
    """None where nothing happened in a trial that counts."""
    frame = campaign.events
    if frame.empty:
        return None
    blocks: list[Block] = [
        Text(
            "Each event happens after the measured window, under the same load. Solid line: the act begins; dotted "
            f"line: the median moment of the first correct response after it. A bar is {BIN_S:g} s of arrivals by "
            "their intended time: pale answered, full colour answered slowly, hatched red failed (no response, an "
            "unexpected one, or dropped); means of the valid trials. Slow is above "
            f"{SLOW_FACTOR:g} times the 99th percentile of the trial's measured window, and above {SLOW_LEAST_MS:g} ms."
        )
    ]
    for number, kind in _numbered(frame):
        own = select(frame, number=number, kind=kind)
        seen = select(campaign.timeline, number=number, kind=kind)
        names = ", ".join(dict.fromkeys(str(instance) for instance in own["instance"]))
        blocks.append(Heading(f"{_DONE[kind]}: {names}"))
        blocks.append(
            Group(
                tuple(
                    draw(_caption(select(own, variant=name), look), charts.event_timeline, seen, own, name, look)
                    for name in look.present(own)
                )
            )
        )
    blocks += [_counts(frame, look), _by_task(campaign.event_requests, look)]
    return Section("events", "Change, failure, scale", tuple(blocks))


def _numbered(frame: pd.DataFrame) -> list[tuple[int, str]]:
    """Every event; variants on other targets may have others under the same number."""
    return sorted(dict.fromkeys((int(row["number"]), str(row["kind"])) for row in rows(frame)))


def _caption(own: pd.DataFrame, look: Look) -> str:
    first, found = rows(own)[0], down(own)
    after = (
        "no correct response while it was watched" if found is None else f"correct again after {figure(DOWN, found)}"
    )
    return f"{look.label(first['variant'])}: {first['instance']}, {after}"


def _counts(frame: pd.DataFrame, look: Look) -> Table:
    listed = []
    for name in look.present(frame):
        for _, own in select(frame, variant=name).groupby(["level", "number"], sort=False):
            first, found = rows(own)[0], down(own)
            listed.append(
                (
                    Cell(look.label(name), "head"),
                    Cell(f"{first['kind']} {first['instance']}"),
                    Cell("none seen" if found is None else figure(DOWN, found), "figure"),
                    Cell(f"{int(own['recovered'].sum())} of {len(own)}", "number"),
                    *(Cell(_of(own, moment), "number") for moment in MOMENTS),
                )
            )
    return Table(
        "What clients noticed: failed + slow of all requests before, during (from the act to the first correct "
        "response after it, or to the end of the watch) and after it; medians of the valid trials",
        ("variant", "event", "until correct again", "recovered", *MOMENTS),
        tuple(listed),
    )


def _of(own: pd.DataFrame, moment: str) -> str:
    failed, slow, requests = (own[f"{count}_{moment}"].median() for count in ("failed", "slow", "requests"))
    return f"{failed:g} + {slow:g} of {requests:g}"


def _by_task(frame: pd.DataFrame, look: Look) -> Table:
    keys = ["variant", "level", "number", "kind", "moment", "task"]
    figures = ["requests", "failed", "slow", "latency_p50_ms", "latency_p99_ms"]
    medians = frame.groupby(keys, sort=False)[figures].median().reset_index()
    order = {name: place for place, name in enumerate(look.order)}
    medians = medians.iloc[medians["variant"].map(order).argsort(kind="stable")]
    return Table(
        "The same by task: medians of the valid trials; latencies of what did not fail, in ms",
        ("variant", "event", "moment", "task", "requests", "failed", "slow", "p50", "p99"),
        tuple(
            (
                Cell(look.label(row["variant"]), "head"),
                Cell(f"{row['number']}, {row['kind']}"),
                Cell(row["moment"]),
                Cell(row["task"]),
                *(Cell(f"{row[name]:g}", "number") for name in figures[:3]),
                *(_latency(row[name]) for name in figures[3:]),
            )
            for row in rows(medians)
        ),
        folded=True,
    )


def _latency(value: float) -> Cell:
    return Cell("-" if known(value) is None else f"{value:,.2f}", "number")
