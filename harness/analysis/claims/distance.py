"""Claim *distance*."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.analysis.claims.base import Claim, Figure, Finding, Verdict
from harness.analysis.claims.functions import brief, combined
from harness.analysis.claims.proxies import is_cache, is_warm
from harness.analysis.formatting import added, factor, figure, sentence
from harness.analysis.intervals import Estimate, of_differences, of_ratio, of_trials
from harness.analysis.proxies import direct_of
from harness.analysis.regions import ALL, farthest, nearest
from harness.analysis.selection import select
from harness.units import METRICS

if TYPE_CHECKING:
    from harness.analysis.campaign import Campaign
    from harness.records.variant import Variant

QUARTER = 0.25
"""A near PoP shortens the wait if the median with it is below this share of the median without."""

_P50 = "latency_p50_ms"


@dataclass(frozen=True, slots=True)
class Distance:
    """One variant with PoPs against the same one without, in the region that is farthest from the origin.

    ``ratio`` is of the medians, by block; ``wait`` is what that region's median without PoPs is above that of the
    region next to the origin (None where nobody stands there).
    """

    variant: Variant
    level: str
    region: str
    rtt_ms: float
    direct: Estimate
    through: Estimate
    ratio: Estimate
    wait: Estimate | None

    @property
    def verdict(self) -> Verdict:
        if self.ratio.low is None or self.ratio.high is None:
            return "not resolved"
        waits = self.wait is None or (self.wait.low is not None and self.wait.low > 0)
        if self.ratio.low > 1 or (self.wait is not None and self.wait.high is not None and self.wait.high < 0):
            return "refuted"
        return "supported" if self.ratio.high < QUARTER and waits else "not resolved"


def distances(campaign: Campaign) -> list[Distance]:
    """Every variant with PoPs that has a block in common with the same one without, at the lowest such level."""
    # A region without clients has no latency.
    rtts = campaign.rtts[campaign.rtts["region"].isin(set(campaign.regions["region"]))]
    far, near = farthest(rtts), nearest(rtts)
    found = []
    for variant in campaign.manifest.variants:
        direct = direct_of(variant, campaign.manifest.variants)
        if far is None or direct is None or variant.aa or not is_cache(campaign, variant):
            continue
        for level in campaign.levels:
            past = medians(campaign, direct.name, level, far)
            through, without = in_pairs(medians(campaign, variant.name, level, far), past)
            ratio = of_ratio(through, without)
            if ratio is None:
                continue
            away, home = in_pairs(past, medians(campaign, direct.name, level, near or far))
            found.append(
                Distance(
                    variant,
                    level,
                    far,
                    rtt_ms(campaign, far),
                    of_trials(without),
                    of_trials(through),
                    ratio,
                    of_differences(away, home) if near != far else None,
                )
            )
            break
    return found


def medians(campaign: Campaign, variant: str, level: str, region: str, cache: str = ALL) -> pd.Series[float]:
    """The median latency of that region's requests in each trial, by block."""
    frame = campaign.regions
    mine = select(frame, variant=variant, level=level, region=region, cache=cache)
    return mine.set_index("block")[_P50].dropna()


def in_pairs(one: pd.Series[float], other: pd.Series[float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The values of the blocks that both have."""
    pairs = pd.concat([one.rename("one"), other.rename("other")], axis=1, join="inner")
    return pairs["one"].to_numpy(dtype=np.float64), pairs["other"].to_numpy(dtype=np.float64)


def rtt_ms(campaign: Campaign, region: str) -> float:
    """What the region's client measured to the origin: the median over the trials."""
    frame = campaign.rtts
    return float(select(frame, region=region, role="origin")["median_ms"].median())


def check(campaign: Campaign) -> Finding:
    """In the region that is farthest from the origin: the median latency with a warm PoP over that without, by block.

    Supported: the ratio's whole interval lies below a quarter, and without a PoP that region waits longer than the one
    next to the origin (the interval of the difference lies above 0). Refuted: the ratio's interval lies above 1, or the
    far region waits less. In between, and with one block, it is not resolved. Cold PoPs are told and decide nothing.
    Every warm variant must support; an emulated one is shown, and decides only if there is no other.
    """
    found = distances(campaign)
    warm = [one for one in found if is_warm(campaign, one.variant)]
    figures = tuple(entry for one in found for entry in _figures(one))
    if not warm:
        return Finding("not measured", _why_not(campaign, found), figures)
    first = warm[0]
    said = [(one.verdict if one in warm else "", _text(campaign, one)) for one in found]
    head = f"the farthest region, {first.region}, is {first.rtt_ms:.1f} ms from the origin"
    if first.wait is not None:
        head += f", and without a PoP its median latency is {added(first.wait)} above that of the region next to it"
    evidence = f"{sentence([head])} {brief(said, shown=3)}"
    real = [one.verdict for one in warm if not campaign.is_emulated(one.variant.name)]
    return Finding(combined(real) if real else "emulated only", evidence, figures)


def _text(campaign: Campaign, one: Distance) -> str:
    state = "warm" if is_warm(campaign, one.variant) else "cold"
    p50 = METRICS[_P50]
    return (
        f"with {state} PoPs ({campaign.label(one.variant.name)}) it is {figure(p50, one.through)}, {factor(one.ratio)} "
        f"that without ({figure(p50, one.direct)})"
    )


def _figures(one: Distance) -> list[Figure]:
    where = f"in {one.region} at {one.level}"
    return [
        Figure(one.variant.name, f"{_P50} {where} over direct", *_of(one.ratio)),
        Figure(one.variant.name, f"{_P50} {where}", *_of(one.through)),
        Figure(one.variant.name, f"{_P50} {where}, direct", *_of(one.direct)),
        Figure(one.variant.name, f"round-trip time of {one.region} to the origin, ms", one.rtt_ms),
    ]


def _of(found: Estimate) -> tuple[float, float | None, float | None, int]:
    return found.median, found.low, found.high, found.n


def _why_not(campaign: Campaign, found: list[Distance]) -> str:
    if campaign.rtts.empty:
        return "No trial that counts has measured how far the regions are from the origin."
    if found:
        return f"No PoP was warm when the load began. {brief([('', _text(campaign, one)) for one in found])}"
    return "It needs trials of one block with PoPs and without, with enough requests of the farthest region."


CLAIM = Claim(
    "distance",
    "A user far from the origin waits; a near point of presence shortens it.",
    "The farthest region's median latency with a warm PoP over that without, by block: supported if the interval of "
    "the ratio lies below a quarter, refuted if above 1.",
    check,
    lambda campaign: campaign.experiment.geography is not None,
)
