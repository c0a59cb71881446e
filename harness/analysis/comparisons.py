"""Variants against a baseline: ratios from pairs of one block, a noise floor, and a verdict. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from harness.analysis.frames import Row, frame_of
from harness.analysis.intervals import Estimate, cliffs_delta, of_log_ratios, of_ratio, of_trials, probability_greater
from harness.analysis.selection import select
from harness.records.variant import Variant
from harness.units import METRICS, Metric

WORSE, BETTER, NOT_RESOLVED, NO_INTERVAL = "worse", "better", "not resolved", "no interval"

SUMMARY_COLUMNS = {
    "variant": "str",
    "level": "str",
    "metric": "str",
    "n": "int64",
    "median": "float64",
    "low": "float64",
    "high": "float64",
}
COMPARISON_COLUMNS = {
    "variant": "str",
    "baseline": "str",
    "level": "str",
    "metric": "str",
    "n": "int64",
    "ratio": "float64",
    "low": "float64",
    "high": "float64",
    "cliffs_delta": "float64",
    "p_worse": "float64",
    "noise_floor": "float64",
    "verdict": "str",
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """One variant against another in one metric. ``noise_floor`` is a factor (1.05: 5 %), None without an A/A pair."""

    estimate: Estimate
    noise_floor: float | None
    verdict: str


def summaries(counted: pd.DataFrame) -> pd.DataFrame:
    """The median and interval of each variant, level and metric. ``counted`` are rows of the trials that count."""
    rows: list[Row] = []
    for (variant, level), cell in counted.groupby(["variant", "level"], sort=False):
        for name in METRICS:
            values = cell[name].dropna().to_numpy(dtype=np.float64)
            if not len(values):
                continue
            found = of_trials(values)
            rows.append(
                {
                    "variant": variant,
                    "level": level,
                    "metric": name,
                    "n": found.n,
                    "median": found.median,
                    "low": found.low,
                    "high": found.high,
                }
            )
    return frame_of(rows, SUMMARY_COLUMNS)


def comparisons(counted: pd.DataFrame, variants: Sequence[Variant], baseline: str) -> pd.DataFrame:
    """Each variant against ``baseline``, and the second of an A/A pair against the first.

    A row exists where at least one block has both figures and they are positive. ``cliffs_delta`` and ``p_worse`` are
    over all trials of both that count.
    """
    rows: list[Row] = []
    by_level = {level: select(counted, level=level) for level in dict.fromkeys(counted["level"])}
    floors = {
        (level, name): noise_floor(cells, variants, name) for level, cells in by_level.items() for name in METRICS
    }
    for variant in variants:
        against = first_of_pair(variant) if variant.aa else baseline
        if variant.name == against:
            continue
        for level, cells in by_level.items():
            for name in METRICS:
                found = compare_variants(cells, variant.name, against, name, floors[level, name])
                if found is not None:
                    rows.append(_row(cells, variant.name, against, level, METRICS[name], found))
    return frame_of(rows, COMPARISON_COLUMNS)


def first_of_pair(variant: Variant) -> str:
    """The name of the variant that the second of an A/A pair repeats (``<name>-aa`` repeats ``<name>``)."""
    return variant.name.removesuffix("-aa")


def noise_floor(cells: pd.DataFrame, variants: Sequence[Variant], metric: str) -> float | None:
    """What the A/A pair shows: the farther end of its ratio's interval, as a factor >= 1; None without an interval.

    Two names for one thing differ by noise alone, so a difference that this factor could explain is not resolved
    (Abedi & Brecht, ICPE 2017).
    """
    floors = []
    for variant in variants:
        if not variant.aa:
            continue
        found = _ratio(cells, variant.name, first_of_pair(variant), metric)
        if found is not None and found.low is not None and found.high is not None:
            floors.append(math.exp(max(abs(math.log(found.low)), abs(math.log(found.high)))))
    return max(floors, default=None)


def compare_variants(
    cells: pd.DataFrame, variant: str, baseline: str, metric: str, floor: float | None
) -> Comparison | None:
    """One comparison, or None where no block has both figures. Levels, if several, are averaged within a block."""
    found = _ratio(cells, variant, baseline, metric)
    if found is None:
        return None
    return Comparison(found, floor, judge_ratio(METRICS[metric], found, floor))


def judge_ratio(metric: Metric, found: Estimate, floor: float | None) -> str:
    """``worse`` or ``better`` if the interval excludes 1 and the ratio lies beyond the noise floor.

    Without an A/A pair (``floor`` None) the interval alone decides. ``no interval`` where there was one pair only.
    """
    if found.low is None or found.high is None:
        return NO_INTERVAL
    within_noise = floor is not None and abs(math.log(found.median)) <= math.log(floor)
    if found.low <= 1 <= found.high or within_noise:
        return NOT_RESOLVED
    return WORSE if (found.median > 1) == metric.lower_is_better else BETTER


def pooled_figure(cells: pd.DataFrame, variant: str, metric: str) -> Estimate | None:
    """One figure of a variant over all levels: the geometric mean within a block (its median where not positive)."""
    mine = cells[(cells["variant"] == variant) & cells[metric].notna()]
    if mine.empty:
        return None
    blocks = mine.groupby("block")[metric]
    values = np.exp(np.log(mine[metric]).groupby(mine["block"]).mean()) if (mine[metric] > 0).all() else blocks.median()
    return of_trials(values.to_numpy(dtype=np.float64))


def _ratio(cells: pd.DataFrame, variant: str, baseline: str, metric: str) -> Estimate | None:
    above, below = _figures(cells, variant, metric), _figures(cells, baseline, metric)
    pairs = {place: (value, below[place]) for place, value in above.items() if place in below}
    if len({level for _, level in pairs}) <= 1:
        return of_ratio([first for first, _ in pairs.values()], [second for _, second in pairs.values()])
    if any(first <= 0 or second <= 0 for first, second in pairs.values()):
        return None
    logs: dict[int, list[float]] = {}
    for (block, _), (first, second) in pairs.items():
        logs.setdefault(block, []).append(math.log(first) - math.log(second))
    return of_log_ratios([float(np.mean(logs[block])) for block in sorted(logs)])


def _figures(cells: pd.DataFrame, variant: str, metric: str) -> dict[tuple[int, str], float]:
    """The variant's figure by block and level, where it was measured. Plain numbers: frames are slow to join."""
    mine = select(cells, variant=variant)
    places = zip(mine["block"].tolist(), mine["level"].tolist(), mine[metric].tolist(), strict=True)
    return {(block, level): value for block, level, value in places if not math.isnan(value)}


def _row(cells: pd.DataFrame, variant: str, baseline: str, level: str, metric: Metric, found: Comparison) -> Row:
    first = cells.loc[cells["variant"] == variant, metric.name].dropna().to_numpy(dtype=np.float64)
    second = cells.loc[cells["variant"] == baseline, metric.name].dropna().to_numpy(dtype=np.float64)
    greater = probability_greater(first, second)
    return {
        "variant": variant,
        "baseline": baseline,
        "level": level,
        "metric": metric.name,
        "n": found.estimate.n,
        "ratio": found.estimate.median,
        "low": found.estimate.low,
        "high": found.estimate.high,
        "cliffs_delta": cliffs_delta(first, second),
        "p_worse": greater if metric.lower_is_better else 1 - greater,
        "noise_floor": found.noise_floor,
        "verdict": found.verdict,
    }
