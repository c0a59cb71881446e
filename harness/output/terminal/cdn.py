"""``tare show``, on regions and caches: tables for a terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from harness.analysis.cdn_rows import in_regions, of_caches
from harness.analysis.formatting import figure, percents_or_dash, points_text
from harness.analysis.intervals import Estimate, known
from harness.output.terminal.table import text_table
from harness.units import METRICS

if TYPE_CHECKING:
    from harness.analysis.campaign import Campaign

_P50 = METRICS["latency_p50_ms"]


def cdn_tables(campaign: Campaign) -> list[Table]:
    """Latency by region, what caches kept, real policies against simulated ones. Without rows where there is none."""
    return [_regions(campaign), _caches(campaign), _policies(campaign)]


def _regions(campaign: Campaign) -> Table:
    heads = ("variant", "region", "RTT to origin", "to PoP", "median", "hits", "misses", "hits + misses")
    table = text_table("Regions (medians of the trials, 95 % intervals)", *heads)
    for one in in_regions(campaign):
        table.add_row(
            Text(campaign.label(one.variant)),
            one.region,
            _ms(one.origin_ms),
            _ms(one.pop_ms),
            *(_figure(found) for found in one.medians.values()),
            f"{one.requests['hit']:,} + {one.requests['miss']:,}",
        )
    return table


def _caches(campaign: Campaign) -> Table:
    heads = (
        "variant",
        "level",
        "hit ratio",
        "by bytes",
        "offload",
        "origin counted",
        "caches fetched",
        "trials unlike",
    )
    table = text_table("Caches (shares, 95 % intervals; counts of all trials)", *heads)
    for one in of_caches(campaign):
        table.add_row(
            Text(campaign.label(one.variant)),
            Text(one.level),
            *(percents_or_dash(found) for found in (one.hit_ratio, one.byte_hit_ratio, one.offload)),
            "-" if one.origin_requests is None else f"{one.origin_requests:,}",
            f"{one.fetched:,}",
            f"{one.unlike} of {one.trials}",
        )
    return table


def _policies(campaign: Campaign) -> Table:
    heads = ("variant", "sequence", "real", "simulated", "policy", "points", "limit")
    table = text_table("Hit ratios against simulation at the effective capacity", *heads)
    for row in campaign.policies.to_dict("records"):
        real = Estimate(row["hit_ratio"], known(row["hit_ratio_low"]), known(row["hit_ratio_high"]), row["n"])
        points = Estimate(row["points"], known(row["points_low"]), known(row["points_high"]), row["n"])
        absent = math.isnan(row["points"])
        table.add_row(
            Text(campaign.label(row["variant"])),
            Text(row["level"]),
            percents_or_dash(real),
            "-" if absent else f"{100 * row['simulated']:.2f} %",
            row["simulated_policy"] or "none",
            "-" if absent else points_text(points),
            "-" if math.isnan(row["limit_points"]) else f"{row['limit_points']:g}",
        )
    return table


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f} ms"


def _figure(found: Estimate | None) -> str:
    return "-" if found is None else figure(_P50, found)
