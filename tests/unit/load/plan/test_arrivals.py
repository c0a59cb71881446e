"""The schedule is a pure function of its arguments, and a Poisson one is really Poisson."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.clock import NS_PER_S
from harness.load.plan.arrivals import Arrivals, intended_offsets_ns, region_choices, region_stream, task_choices

rates = st.floats(min_value=0.5, max_value=5000)
durations = st.floats(min_value=0.01, max_value=3)
kinds = st.sampled_from(["poisson", "constant"])
seeds = st.integers(min_value=0, max_value=2**63 - 1)


@settings(max_examples=60)
@given(rates, durations, kinds, seeds)
def test_offsets_are_sorted_in_range_and_repeatable(rate: float, duration: float, kind: Arrivals, seed: int) -> None:
    offsets = intended_offsets_ns(rate, duration, kind, seed)
    assert offsets.dtype == np.int64
    assert (np.diff(offsets) >= 0).all()
    assert ((offsets >= 0) & (offsets < round(duration * NS_PER_S))).all()
    assert (offsets == intended_offsets_ns(rate, duration, kind, seed)).all()


@settings(max_examples=30)
@given(rates, st.floats(min_value=0.01, max_value=1), seeds)
def test_a_longer_poisson_schedule_begins_with_the_shorter(rate: float, duration: float, seed: int) -> None:
    short = intended_offsets_ns(rate, duration, "poisson", seed)
    long = intended_offsets_ns(rate, duration * 3, "poisson", seed)
    assert (long[: len(short)] == short).all()


def test_another_seed_is_another_schedule() -> None:
    first, second = (intended_offsets_ns(100, 5, "poisson", seed) for seed in (1, 2))
    assert len(first) != len(second) or (first != second).any()


def test_poisson_counts_have_the_poisson_mean_and_variance() -> None:
    counts = np.array([len(intended_offsets_ns(40, 1, "poisson", seed)) for seed in range(800)])
    # 99.9 % intervals under Poisson(40): of the mean of 800 counts, and of their dispersion (chi-squared).
    margin = stats.norm.ppf(0.9995) * np.sqrt(40 / 800)
    assert abs(counts.mean() - 40) < margin
    low, high = stats.chi2.ppf([0.0005, 0.9995], 799) / 799
    assert low < counts.var(ddof=1) / counts.mean() < high


def test_poisson_gaps_are_exponential() -> None:
    gaps = np.diff(intended_offsets_ns(1000, 20, "poisson", 7)) / NS_PER_S
    assert stats.kstest(gaps, stats.expon(scale=1 / 1000).cdf).pvalue > 0.001


def test_constant_gaps_are_equal() -> None:
    offsets = intended_offsets_ns(8, 2, "constant", 0)
    assert offsets.tolist() == [step * NS_PER_S // 8 for step in range(16)]


@pytest.mark.parametrize(("rate", "duration"), [(0, 1), (-1, 1), (1, 0)])
def test_what_is_not_positive_is_refused(rate: float, duration: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        intended_offsets_ns(rate, duration, "poisson", 1)


def test_tasks_follow_their_weights() -> None:
    counts = np.bincount(task_choices(20_000, [70, 10, 15, 5, 0], seed=3), minlength=5)
    assert counts[4] == 0
    assert stats.chisquare(counts[:4], np.array([0.70, 0.10, 0.15, 0.05]) * 20_000).pvalue > 0.001


@given(st.lists(st.floats(min_value=0, max_value=100), min_size=1, max_size=6).filter(lambda w: sum(w) > 0), seeds)
def test_task_choices_are_in_range_and_repeatable(weights: list[float], seed: int) -> None:
    choices = task_choices(50, weights, seed)
    assert ((choices >= 0) & (choices < len(weights))).all()
    assert (choices == task_choices(50, weights, seed)).all()


@pytest.mark.parametrize("weights", [[], [0.0], [1.0, -1.0]])
def test_bad_weights_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="weights"):
        task_choices(1, weights, 1)


def test_regions_are_a_stream_of_their_own_by_weight() -> None:
    weights = [3.0, 0.0, 1.0, 0.0]
    drawn = region_choices(20_000, weights, 5)
    counts = np.bincount(drawn, minlength=4)
    assert counts[1] == counts[3] == 0
    assert stats.binomtest(int(counts[0]), 20_000, 0.75).pvalue > 0.001
    tasks = task_choices(20_000, weights, 5)
    assert (drawn != tasks).any()
    assert (region_choices(500, weights, 5) == drawn[:500]).all()


def test_regions_without_end_are_the_same_ones() -> None:
    assert list(islice(region_stream([1, 2], 7), 9000)) == region_choices(9000, [1, 2], 7).tolist()


def test_without_regions_everybody_is_in_the_first() -> None:
    assert region_choices(3, [], 1).tolist() == [0, 0, 0] == list(islice(region_stream([], 1), 3))
