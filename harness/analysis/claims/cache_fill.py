"""Claim *cache fill*."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from harness.analysis.claims.base import Claim, Figure, Finding, Verdict
from harness.analysis.claims.functions import brief, combined
from harness.analysis.claims.proxies import is_cache
from harness.analysis.formatting import factor, figure
from harness.analysis.intervals import Estimate, of_known, of_ratio, of_trials
from harness.analysis.selection import select
from harness.units import METRICS

if TYPE_CHECKING:
    from harness.analysis.campaign import Campaign

_HIT, _MISS = "hit_p50_ms", "miss_p50_ms"


@dataclass(frozen=True, slots=True)
class Fill:
    """What the origin counted behind the caches of one variant, over its trials, and how hits compare with misses.

    ``unlike``: trials in which the origin counted otherwise than the caches fetched; ``unexplained``: those in which
    neither a shield, nor a refreshed stale object, nor a request without a response can be why.
    """

    variant: str
    trials: int
    origin: int
    fetched: int
    unlike: int
    unexplained: int
    offload: Estimate
    hit_ms: Estimate | None
    miss_ms: Estimate | None
    ratio: Estimate | None

    @property
    def verdict(self) -> Verdict:
        ratio = self.ratio
        if self.offload.median <= 0 or (ratio is not None and ratio.low is not None and ratio.low > 1):
            return "refuted"
        if self.unexplained or (ratio is not None and (ratio.high is None or ratio.high >= 1)):
            return "not resolved"
        return "supported"


def fills(campaign: Campaign) -> list[Fill]:
    """Every variant with caches whose origin counted."""
    frame = campaign.caches
    mine = frame[(frame["caches"] > 0) & frame["origin_requests"].notna() & frame["offload"].notna()]
    shielded = campaign.experiment.geography is not None and campaign.experiment.geography.shield is not None
    names = [variant.name for variant in campaign.manifest.variants if not variant.aa]
    return [_fill(name, select(mine, variant=name), shielded) for name in names if (mine["variant"] == name).any()]


def unexplained(rows: pd.DataFrame, *, shielded: bool) -> pd.Series[bool]:
    """Where the origin's count differs from what the caches fetched, and nothing that is known can be why.

    A shield answers a part of what the edges fetch. A stale object is served while a fresh one is fetched; a request
    that broke off may have been fetched all the same.
    """
    known = rows["stale"] + rows["errors"]
    too_many = rows["excess"] > known
    return too_many if shielded else too_many | (rows["excess"] < 0)


def check(campaign: Campaign) -> Finding:
    """The origin counts what it is asked for; the caches say of every answer what it was.

    Supported: in every trial the origin counted exactly the misses and what is not cacheable (or the difference is
    explained: a shield, stale objects being refreshed, requests that broke off), and a hit's median latency is below a
    miss's (the ratio's interval, by trial, lies below 1; where misses are too few for a median, the counts decide).
    Refuted: the origin got every request all the same, or hits are slower. Holds under emulation.
    """
    found = fills(campaign)
    if not found:
        return Finding("not measured", "No trial that counts has caches and an origin that counts its requests.")
    said = [(one.verdict, _text(campaign, one)) for one in found]
    figures = tuple(entry for one in found for entry in _figures(one))
    return Finding(combined([one.verdict for one in found]), brief(said), figures)


def _fill(name: str, rows: pd.DataFrame, shielded: bool) -> Fill:
    pairs = rows[[_HIT, _MISS]].dropna()
    return Fill(
        variant=name,
        trials=len(rows),
        origin=int(rows["origin_requests"].sum()),
        fetched=int((rows["missed"] + rows["passed"]).sum()),
        unlike=int((rows["excess"] != 0).sum()),
        unexplained=int(unexplained(rows, shielded=shielded).sum()),
        offload=of_trials(np.asarray(rows["offload"], dtype=np.float64)),
        hit_ms=of_known(rows[_HIT]),
        miss_ms=of_known(rows[_MISS]),
        ratio=of_ratio(pairs[_HIT].to_numpy(), pairs[_MISS].to_numpy()),
    )


def _text(campaign: Campaign, one: Fill) -> str:
    return f"in {campaign.label(one.variant)} {_counts(one)}, {_latency(one)}"


def _counts(one: Fill) -> str:
    told = f"the origin counted {one.origin:,} requests and the caches fetched {one.fetched:,}"
    if not one.unlike:
        return f"{told}, equal in each of {one.trials} trials"
    why = "unexplained" if one.unexplained else "explained by a shield, refreshed objects or broken requests"
    return f"{told}: they differ in {one.unlike} of {one.trials} trials ({why})"


def _latency(one: Fill) -> str:
    if one.ratio is None or one.hit_ms is None or one.miss_ms is None:
        return "and too few were hits, or misses, for a median of each"
    p50 = METRICS["latency_p50_ms"]
    return (
        f"and the median of hits was {figure(p50, one.hit_ms)}, {factor(one.ratio)} that of misses "
        f"({figure(p50, one.miss_ms)})"
    )


def _figures(one: Fill) -> list[Figure]:
    found = [
        Figure(one.variant, "requests that the origin counted", one.origin, n=one.trials),
        Figure(one.variant, "requests that the caches fetched", one.fetched, n=one.trials),
        Figure(one.variant, "offload", one.offload.median, one.offload.low, one.offload.high, one.offload.n),
    ]
    if one.ratio is not None:
        ratio = one.ratio
        found.append(
            Figure(one.variant, "median of hits over that of misses", ratio.median, ratio.low, ratio.high, ratio.n)
        )
    return found


CLAIM = Claim(
    "cache fill",
    "What a point of presence lacks it fetches from the origin, stores and serves.",
    "The origin's count equals the caches' misses in every trial, and hits are faster than misses (ratio of medians, "
    "by trial).",
    check,
    lambda campaign: any(is_cache(campaign, variant) for variant in campaign.experiment.variants),
)
