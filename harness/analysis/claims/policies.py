"""Claim *policies*."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from harness.analysis.caches import POINTS
from harness.analysis.claims.base import Claim, Figure, Finding, Verdict
from harness.analysis.claims.proxies import is_cache
from harness.analysis.formatting import sentence
from harness.analysis.intervals import Estimate, known, of_differences
from harness.analysis.selection import select

if TYPE_CHECKING:
    from harness.analysis.campaign import Campaign


@dataclass(frozen=True, slots=True)
class Against:
    """One real cache and policy at one size and sequence against its simulation, in percentage points of hit ratio."""

    label: str
    where: str
    kind: str
    policy: str
    hit_ratio: float
    simulated: float
    points: Estimate
    limit: float

    @property
    def verdict(self) -> Verdict:
        """Whether it keeps what the simulation of its policy keeps: the interval, or the one trial, within the limit.

        One trial decides as well: a sequence that is replayed gives a cache the same requests in the same order every
        time, so that trials repeat the count rather than sample it.
        """
        low = self.points.median if self.points.low is None else self.points.low
        high = self.points.median if self.points.high is None else self.points.high
        if low > self.limit or high < -self.limit:
            return "refuted"
        return "supported" if -self.limit <= low and high <= self.limit else "not resolved"


@dataclass(frozen=True, slots=True)
class Apart:
    """Two policies of one kind of cache at one size and sequence, in percentage points of hit ratio, by block.

    ``disagreement``: the larger of both distances from their simulations, which no smaller difference can be told from.
    """

    kind: str
    where: str
    first: str
    other: str
    points: Estimate
    disagreement: float

    @property
    def differs(self) -> bool:
        one_trial = self.points.low is None or self.points.high is None
        resolved = one_trial or not (self.points.low or 0) <= 0 <= (self.points.high or 0)
        return resolved and abs(self.points.median) > self.disagreement


def against(campaign: Campaign) -> list[Against]:
    """Every real policy that decides and that was simulated."""
    frame = campaign.policies
    found = []
    for row in frame[frame["limit_points"].notna() & frame["points"].notna()].to_dict("records"):
        points = Estimate(row["points"], known(row["points_low"]), known(row["points_high"]), row["n"])
        found.append(
            Against(
                campaign.label(row["variant"]),
                _where(row["cache_share"], row["size_bytes"], row["level"]),
                row["kind"],
                row["policy"],
                row["hit_ratio"],
                row["simulated"],
                points,
                row["limit_points"],
            )
        )
    return found


def apart(campaign: Campaign) -> Iterator[Apart]:
    """Every two simulated policies of one kind of cache at the same size and sequence."""
    frame = campaign.policies
    frame = frame[frame["limit_points"].notna() & frame["points"].notna()]
    for _, cell in frame.groupby(["kind", "level", "size_bytes"], sort=False):
        for one, other in combinations(cell.to_dict("records"), 2):
            if one["policy"] == other["policy"]:
                continue
            points = of_differences(*_pairs(campaign, str(one["variant"]), str(other["variant"]), str(one["level"])))
            if points is not None:
                yield Apart(
                    one["kind"],
                    _where(one["cache_share"], one["size_bytes"], one["level"]),
                    one["policy"],
                    other["policy"],
                    points,
                    max(abs(one["points"]), abs(other["points"])),
                )


def check(campaign: Campaign) -> Finding:
    """The same requests in the same order for every policy, through real caches and through simulated ones.

    A real cache agrees with the simulation of its policy at its effective capacity if their hit ratios are at most 2
    percentage points apart (4 for LFUDA), its whole interval over trials. Supported: all that decide agree, and two
    policies of one cache differ by more than either differs from its simulation (and their interval, by block, excludes
    0). Refuted: one lies beyond its limit. Else not resolved. Holds under emulation: what is kept is no matter of time.
    """
    found, different = against(campaign), list(apart(campaign))
    if not found:
        return Finding("not measured", _why_not(campaign), _all_figures(campaign))
    verdicts = [one.verdict for one in found]
    worst = max(found, key=lambda one: abs(one.points.median) / one.limit)
    parts = [
        f"{verdicts.count('supported')} of {len(found)} real caches, policies and sizes keep what their simulation "
        f"keeps, at most 2 points apart (LFUDA 4); the farthest, {_text(worst)}"
    ]
    if without := _without_a_valid_trial(campaign):
        parts.append(f"{without} more had no valid trial")
    differing = [one for one in different if one.differs]
    if different:
        largest = max(differing or different, key=lambda one: abs(one.points.median))
        parts.append(
            f"{len(differing)} of {len(different)} pairs of one cache's policies differ by more than that; the most, "
            f"{_text_apart(largest)}"
        )
    else:
        parts.append("no cache was measured with two policies at one size")
    verdict: Verdict = "supported" if differing else "not resolved"
    if "refuted" in verdicts:
        verdict = "refuted"
    elif "not resolved" in verdicts:
        verdict = "not resolved"
    return Finding(verdict, sentence(parts), _all_figures(campaign))


def _without_a_valid_trial(campaign: Campaign) -> int:
    """How many more of the campaign's caches, sizes and sequences would decide, had one of their trials been valid."""
    counted = {(record.variant.name, record.level) for record in campaign.counted_records}
    return sum(
        (variant.name, sequence) not in counted
        for variant in campaign.manifest.variants
        for proxy in [campaign.experiment.proxy(variant.proxy)]
        if proxy is not None and proxy.cache is not None and (proxy.kind, proxy.cache.policy) in POINTS
        for sequence in campaign.experiment.sequences
    )


def _text(one: Against) -> str:
    return (
        f"{one.kind} {one.policy.upper()} {one.where}: {100 * one.hit_ratio:.2f} % against {100 * one.simulated:.2f} %"
        f", {_points(one.points)}"
    )


def _text_apart(one: Apart) -> str:
    return f"{one.kind} {one.first.upper()} against {one.other.upper()} {one.where}: {_points(one.points)}"


def _points(found: Estimate) -> str:
    if found.low is None or found.high is None:
        return f"{found.median:+.2f} points (one trial)"
    return f"{found.median:+.2f} points ({found.low:+.2f} to {found.high:+.2f})"


def _where(share: float, size: float, level: str) -> str:
    return f"at {size_text(share, size)} of {level}"


def size_text(share: float, size: float) -> str:
    """``1 %``, a share of the catalogue; or ``64.0 MiB`` where the size was not given as one."""
    return f"{size / 2**20:,.1f} MiB" if math.isnan(share) else f"{100 * share:g} %"


def _pairs(campaign: Campaign, one: str, other: str, level: str) -> tuple[np.ndarray, np.ndarray]:
    frame = campaign.caches
    first, second = (
        100 * select(frame, variant=name, level=level).set_index("block")["hit_ratio"] for name in (one, other)
    )
    pairs = pd.concat([first.rename("first"), second.rename("second")], axis=1, join="inner").dropna()
    return pairs["first"].to_numpy(dtype=np.float64), pairs["second"].to_numpy(dtype=np.float64)


def _all_figures(campaign: Campaign) -> tuple[Figure, ...]:
    found = []
    for row in campaign.policies.to_dict("records"):
        where = _where(row["cache_share"], row["size_bytes"], row["level"])
        ends = (known(row["hit_ratio_low"]), known(row["hit_ratio_high"]), row["n"])
        found.append(Figure(row["variant"], f"hit ratio {where}", row["hit_ratio"], *ends))
        if not math.isnan(row["points"]):
            points = (known(row["points_low"]), known(row["points_high"]), row["n"])
            name = f"points of hit ratio above {row['simulated_policy']} simulated {where}"
            found.append(Figure(row["variant"], name, row["points"], *points))
    return tuple(found)


def _why_not(campaign: Campaign) -> str:
    if campaign.policies.empty:
        return "No trial that counts replays a sequence through one cache."
    simulation = campaign.simulation
    if simulation is not None and simulation.why_not:
        return f"The policies were not simulated: {simulation.why_not.rstrip('.')}. To get them: {simulation.remedy}"
    if not campaign.policies["limit_points"].notna().any():
        return "No cache was measured whose policy decides: Varnish LRU or FIFO, Squid LRU or LFUDA."
    return f"The policies were not simulated at the capacities of these caches: tare run --resume {campaign.path}"


CLAIM = Claim(
    "policies",
    "FIFO, LRU and LFU keep different things.",
    "Hit ratios on the same requests, real caches against simulations of their policies at the same capacity: "
    "supported if at most 2 points apart (LFUDA 4) and the policies of a cache differ by more than that error.",
    check,
    lambda campaign: (
        campaign.experiment.load.replay is not None
        and any(is_cache(campaign, variant) for variant in campaign.experiment.variants)
    ),
)
