from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest

from harness.analysis.comparisons import compare_variants, judge_ratio, noise_floor, pooled_figure
from harness.analysis.intervals import Estimate
from harness.records.variant import Variant
from harness.units import METRICS
from tests.unit.analysis.synthetic import make_campaign
from tests.unit.analysis.synthetic_records import variant


def cells(rows: list[tuple[int, str, str, float]], metric: str = "startup_s") -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["block", "level", "variant", metric])
    for name in METRICS:
        if name not in frame:
            frame[name] = math.nan
    return frame


@pytest.mark.parametrize(
    ("metric", "found", "floor", "verdict"),
    [
        ("startup_s", Estimate(1.5, 1.2, 1.9, 5), None, "worse"),
        ("startup_s", Estimate(0.5, 0.4, 0.6, 5), None, "better"),
        ("achieved_rps", Estimate(0.5, 0.4, 0.6, 5), None, "worse"),
        ("startup_s", Estimate(1.5, 0.9, 2.5, 5), None, "not resolved"),
        ("startup_s", Estimate(1.05, 1.01, 1.09, 5), 1.1, "not resolved"),
        ("startup_s", Estimate(0.95, 0.91, 0.99, 5), 1.1, "not resolved"),
        ("startup_s", Estimate(1.15, 1.01, 1.3, 5), 1.1, "worse"),
        ("startup_s", Estimate(2.0, None, None, 1), None, "no interval"),
    ],
)
def test_verdicts(metric: str, found: Estimate, floor: float | None, verdict: str) -> None:
    assert judge_ratio(METRICS[metric], found, floor) == verdict


def test_only_blocks_with_both_are_pairs() -> None:
    frame = cells([(1, "a", "p", 1.0), (2, "a", "p", 1.0), (2, "a", "c", 2.0), (3, "a", "c", 9.0)])
    found = compare_variants(frame, "c", "p", "startup_s", None)
    assert found is not None
    assert found.estimate.median == pytest.approx(2.0)
    assert (found.estimate.low, found.estimate.n) == (None, 1)
    assert found.verdict == "no interval"
    assert compare_variants(frame, "c", "absent", "startup_s", None) is None


def test_levels_are_paired_each_and_count_once_a_block() -> None:
    rows = [(block, level, "p", base) for block in (1, 2) for level, base in (("low", 1.0), ("high", 100.0))]
    rows += [(block, level, "c", base * 2) for block, level, _, base in rows]
    rows.append((3, "high", "c", 200.0))
    found = compare_variants(cells(rows), "c", "p", "startup_s", None)
    assert found is not None
    assert found.estimate.n == 2
    assert found.estimate.median == pytest.approx(2.0)
    pooled = pooled_figure(cells(rows), "p", "startup_s")
    assert pooled is not None
    assert pooled.median == pytest.approx(10.0)
    assert pooled.n == 2


def test_the_noise_floor_is_the_farther_end() -> None:
    names = [variant("container"), variant("container-aa")]
    rows = [(block, "a", "container", 1.0) for block in (1, 2, 3)]
    rows += [(block, "a", "container-aa", value) for block, value in zip((1, 2, 3), (0.8, 0.9, 1.0), strict=True)]
    found = compare_variants(cells(rows), "container-aa", "container", "startup_s", None)
    floor = noise_floor(cells(rows), names, "startup_s")
    assert found is not None
    assert found.estimate.low is not None
    assert floor == pytest.approx(1 / found.estimate.low)


def test_no_pair_no_floor() -> None:
    names: list[Variant] = [variant("container"), variant("container-aa")]
    one_block = cells([(1, "a", "container", 1.0), (1, "a", "container-aa", 1.1)])
    assert noise_floor(one_block, names, "startup_s") is None
    assert noise_floor(one_block, names[:1], "startup_s") is None


def test_the_second_of_a_pair_is_compared_with_the_first(tmp_path: Path) -> None:
    campaign = make_campaign(tmp_path / "c", aa="container", with_samples=False)
    found = campaign.comparisons
    assert set(found.loc[found["variant"] == "container-aa", "baseline"]) == {"container"}
    assert set(found.loc[found["variant"] == "vm", "baseline"]) == {"process"}
    assert (found.loc[found["variant"] == "container-aa", "verdict"] == "not resolved").all()
    assert found["noise_floor"].dropna().ge(1).all()


def test_a_difference_that_is_there_is_found_and_one_that_is_not_is_not(tmp_path: Path) -> None:
    found = make_campaign(tmp_path / "c", with_samples=False).comparisons.set_index(["variant", "metric"])
    startup = found.loc[[("container", "startup_s")]].iloc[0]
    assert startup["low"] < 2.0 < startup["high"]
    assert startup["verdict"] == "worse"
    assert startup["p_worse"] == startup["cliffs_delta"] == 1.0
    assert found.loc[("container", "achieved_rps"), "verdict"] == "not resolved"
    capacity = found.loc[[("vm", "capacity_rps")]].iloc[0]
    assert capacity["verdict"] == "worse"
    assert (capacity["p_worse"], capacity["cliffs_delta"]) == (1.0, -1.0)
    # The bare process has no overhead, and a ratio to nothing does not exist.
    assert ("container", "memory_overhead_mib") not in found.index
