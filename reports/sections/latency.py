"""The section on latency: curves, the instrument's own floor beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from harness.analysis.selection import select
from reports import charts
from reports.blocks import Block, Cell, Group, Heading, Section, Table, Text, draw
from reports.charts.latency import arrivals, highest_percentile
from reports.labels import MANY_VARIANTS, Look
from reports.tables import figures, findings, too_many_cells

if TYPE_CHECKING:
    from harness.analysis import Campaign

_SHOWN = (
    "latency_p50_ms",
    "latency_p90_ms",
    "latency_p99_ms",
    "latency_p999_ms",
    "service_time_p50_ms",
    "achieved_rps",
)


def latency(campaign: Campaign, look: Look) -> Section:
    samples = arrivals(campaign.samples)
    there = set(samples["level"].astype(str))
    levels = [level for level in campaign.levels if level in there]
    blocks: list[Block] = [
        *findings(campaign, look, "latency_p50_ms", "latency_p99_ms"),
        Text(
            "Latency counts from the moment at which the schedule wanted a request sent, so a stalled service cannot "
            "hide the requests that waited for it. A percentile is taken within each trial."
        ),
        figures(campaign, look, "Latency", _SHOWN),
        floor_table(campaign),
    ]
    if not levels:
        blocks.append(Text("No valid trial has latency samples, so there are no curves.", "empty"))
    # Many levels and variants share the file's room.
    vast = too_many_cells(campaign, look)
    points = max(40, min(160, 640 * MANY_VARIANTS // (max(len(levels), 1) * max(len(look.order), MANY_VARIANTS))))
    for level in levels:
        own = select(samples, level=level)
        blocks.append(Heading(f"Load level {level}"))
        blocks += [
            _curves(own[own["variant"].isin(names)], look, points, family, whole=not vast)
            for family, names in look.groups(look.present(own))
        ]
    return Section("latency", "Latency", tuple(blocks))


def _curves(own: pd.DataFrame, look: Look, points: int, family: str, *, whole: bool) -> Group:
    """Both charts of the variants that fit one picture (the ECDF alone unless ``whole``).

    ``family`` says what they have in common.
    """
    smallest = int(own.groupby("trial").size().min())
    of = f"{family}. " if family else ""
    shares = draw(
        f"{of}Share of requests answered within a time (ECDF), all valid trials together, to the slowest request. "
        f"Drawn at {2 * points} percentiles, half of them in the tail; the percentiles in the tables are from every "
        "sample.",
        charts.ecdf,
        own,
        look,
        points=2 * points,
    )
    if not whole:
        return Group((shares,))
    curves = draw(
        f"{of}Latency by percentile. Line: the median of the trials; band: the lowest to the highest trial. A curve "
        f"ends where the smallest trial has too few requests for the percentile (the smallest here has {smallest:,}: "
        f"{100 * highest_percentile(smallest):.4g} %). Drawn at {points} percentiles spaced evenly on the axis.",
        charts.percentile_curves,
        own,
        look,
        points=points,
    )
    return Group((curves, shares))


def floor_table(campaign: Campaign) -> Table:
    """What the instrument adds: the null service's figures."""
    floor = campaign.null
    values = (
        []
        if floor is None
        else [
            ("latency, median", f"{floor.latency_p50_ms:,.3f} ms", f"at {floor.rate_rps:,.0f} requests/s"),
            ("latency, 99th percentile", f"{floor.latency_p99_ms:,.3f} ms", f"at {floor.rate_rps:,.0f} requests/s"),
            ("service time, median", f"{floor.service_time_p50_ms:,.3f} ms", f"at {floor.rate_rps:,.0f} requests/s"),
            ("send lag, 99th percentile", f"{floor.send_lag_p99_ms:,.3f} ms", "how late the generator sent"),
            ("highest rate", f"{floor.highest_rate_rps:,.0f} requests/s", "the generator kept its schedule up to here"),
        ]
    )
    return Table(
        "The instrument itself: the generator against a null service, which answers at once. It is a part of every "
        "latency here",
        ("figure", "value", "note"),
        tuple((Cell(name, "head"), Cell(value, "number"), Cell(note)) for name, value, note in values),
        "The null service was not measured, so the generator's own share of these latencies is not known.",
    )
