"""What a proxy adds: each variant with a proxy against the same one without. Columns: harness.analysis.campaign."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import pandas as pd

from harness.analysis.comparisons import BETTER, NO_INTERVAL, NOT_RESOLVED, WORSE, noise_floor
from harness.analysis.frames import Row, frame_of
from harness.analysis.intervals import Estimate, of_differences, of_ratio
from harness.analysis.selection import select
from harness.records.variant import Variant
from harness.spec.proxy import DIRECT

ADDED = ("latency_p50_ms", "latency_p99_ms")
ADDED_COLUMNS = {
    **dict.fromkeys(("variant", "direct", "proxy", "level", "metric"), "str"),
    "n": "int64",
    **dict.fromkeys(("added_ms", "low", "high"), "float64"),
    "verdict": "str",
}


def added(counted: pd.DataFrame, variants: Sequence[Variant]) -> pd.DataFrame:
    """A row per variant with a proxy, load level and latency. ``counted`` are rows of the trials that count."""
    return frame_of(
        (
            row
            for variant in variants
            if variant.proxy != DIRECT and not variant.aa and (direct := direct_of(variant, variants)) is not None
            for row in _rows(counted, variants, variant, direct)
        ),
        ADDED_COLUMNS,
    )


def direct_of(variant: Variant, variants: Sequence[Variant]) -> Variant | None:
    """The same variant without its proxy, which then has one replica of each service; None if it was not compared."""
    for other in variants:
        if (other.proxy, other.replicas, other.aa) == (DIRECT, 1, False) and (
            (other.workload, other.topology, other.target) == (variant.workload, variant.topology, variant.target)
        ):
            return other
    return None


def _rows(counted: pd.DataFrame, variants: Sequence[Variant], variant: Variant, direct: Variant) -> Iterator[Row]:
    for level in dict.fromkeys(counted["level"]):
        cells = select(counted, level=level)
        for metric in ADDED:
            through, past = (select(cells, variant=one.name).set_index("block")[metric] for one in (variant, direct))
            pairs = pd.concat([through.rename("through"), past.rename("past")], axis=1, join="inner").dropna()
            found = of_differences(pairs["through"].to_numpy(), pairs["past"].to_numpy())
            if found is None:
                continue
            ratio = of_ratio(pairs["through"].to_numpy(), pairs["past"].to_numpy())
            yield {
                "variant": variant.name,
                "direct": direct.name,
                "proxy": variant.proxy,
                "level": level,
                "metric": metric,
                "n": found.n,
                "added_ms": found.median,
                "low": found.low,
                "high": found.high,
                "verdict": _verdict(found, ratio, noise_floor(cells, variants, metric)),
            }


def _verdict(found: Estimate, ratio: Estimate | None, floor: float | None) -> str:
    """As of a ratio: the interval must exclude 0, and the difference lie beyond what the A/A pair shows."""
    if found.low is None or found.high is None:
        return NO_INTERVAL
    within_noise = floor is not None and ratio is not None and abs(math.log(ratio.median)) <= math.log(floor)
    if found.low <= 0 <= found.high or within_noise:
        return NOT_RESOLVED
    return WORSE if found.median > 0 else BETTER
