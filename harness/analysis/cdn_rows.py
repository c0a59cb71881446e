"""What every table of regions and caches is made of: a row per variant and region, and per variant with caches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.analysis.caching import PARTS
from harness.analysis.formatting import number
from harness.analysis.intervals import Estimate, of_known
from harness.analysis.regions import ALL
from harness.analysis.selection import select

if TYPE_CHECKING:
    from harness.analysis.campaign import Campaign

OUTCOMES = (ALL, *PARTS)


@dataclass(frozen=True, slots=True)
class InRegion:
    """One variant and level in one region: its distances as measured (medians, ms), and its latencies by outcome."""

    variant: str
    level: str
    region: str
    origin_ms: float | None
    asked_ms: float | None
    pop: str
    pop_ms: float | None
    requests: dict[str, int]
    medians: dict[str, Estimate | None]
    p99: Estimate | None


@dataclass(frozen=True, slots=True)
class OfCache:
    """One variant and level: what its caches kept and what its origin counted, over the trials that count."""

    variant: str
    level: str
    kind: str
    policy: str
    caches: int
    cache_share: float | None
    size_bytes: int | None
    effective_bytes: int | None
    hit_ratio: Estimate | None
    byte_hit_ratio: Estimate | None
    offload: Estimate | None
    origin_requests: int | None
    fetched: int
    unlike: int
    collapsed: int
    stale: int
    errors: int
    trials: int
    hit_p50_ms: Estimate | None
    miss_p50_ms: Estimate | None


def in_regions(campaign: Campaign) -> Iterator[InRegion]:
    """Every variant, level and region that has requests, in the campaign's order."""
    frame, distances = campaign.regions, campaign.rtts
    for (variant, level, region), own in frame.groupby(["variant", "level", "region"], sort=False):
        mine = distances[(distances["variant"] == variant) & (distances["region"] == region) & distances["own"]]
        to_origin, to_pop = select(mine, role="origin"), select(mine, role="pop")
        whole = select(own, cache=ALL)
        yield InRegion(
            variant=str(variant),
            level=str(level),
            region=str(region),
            origin_ms=number(float(to_origin["median_ms"].median())),
            asked_ms=number(float(to_origin["asked_ms"].median())),
            pop=str(to_pop["host"].iloc[0]) if len(to_pop) else "",
            pop_ms=number(float(to_pop["median_ms"].median())),
            requests={name: int(own.loc[own["cache"] == name, "requests"].sum()) for name in OUTCOMES},
            medians={name: of_known(own.loc[own["cache"] == name, "latency_p50_ms"]) for name in OUTCOMES},
            p99=of_known(whole["latency_p99_ms"]),
        )


def of_caches(campaign: Campaign) -> Iterator[OfCache]:
    """Every variant and level with caches, or an origin that counts, in the campaign's order."""
    for (variant, level), own in campaign.caches.groupby(["variant", "level"], sort=False):
        first, counted = own.iloc[0], own[own["origin_requests"].notna()]
        cached = int(first["caches"]) > 0
        fetched = counted["missed"] + counted["passed"] if cached else counted["answered"]
        yield OfCache(
            variant=str(variant),
            level=str(level),
            kind=str(first["kind"]),
            policy=str(first["policy"]),
            caches=int(first["caches"]),
            cache_share=number(first["cache_share"]),
            size_bytes=_whole(first["size_bytes"]),
            effective_bytes=_whole(first["effective_bytes"]),
            hit_ratio=of_known(own["hit_ratio"]),
            byte_hit_ratio=of_known(own["byte_hit_ratio"]),
            offload=of_known(own["offload"]),
            origin_requests=int(counted["origin_requests"].sum()) if len(counted) else None,
            fetched=int(fetched.sum()),
            unlike=int((counted["excess"] != 0).sum()),
            collapsed=int(own["collapsed"].sum()),
            stale=int(own["stale"].sum()),
            errors=int(own["errors"].sum()),
            trials=len(own),
            hit_p50_ms=of_known(own["hit_p50_ms"]),
            miss_p50_ms=of_known(own["miss_p50_ms"]),
        )


def _whole(value: float) -> int | None:
    known = number(value)
    return None if known is None else int(known)
