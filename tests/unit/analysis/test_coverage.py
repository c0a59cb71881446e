"""Simulated coverage decides between methods (METHOD, rule 2)."""

from __future__ import annotations

import numpy as np
import pytest

from harness.analysis.intervals import of_ratio, of_trials, of_unpaired_ratio

RUNS = 3000
"""The standard error of a coverage of 95 % is then 0.4 %."""


@pytest.mark.parametrize("n", [2, 3, 5, 10])
def test_an_interval_of_few_lognormal_trials_covers_the_true_median(n: int) -> None:
    rng = np.random.default_rng(n)
    hits = 0
    for values in rng.lognormal(0.0, 0.5, (RUNS, n)):
        found = of_trials(values)
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= 1.0 <= found.high
    assert 0.93 <= hits / RUNS <= 0.97


@pytest.mark.parametrize("n", [3, 5, 10])
def test_an_interval_of_few_paired_ratios_covers_the_true_ratio(n: int) -> None:
    rng = np.random.default_rng(100 + n)
    hits = 0
    for _ in range(RUNS):
        block = rng.lognormal(0, 1.0, n)
        found = of_ratio(1.3 * block * rng.lognormal(0, 0.2, n), block * rng.lognormal(0, 0.2, n))
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= 1.3 <= found.high
    assert 0.93 <= hits / RUNS <= 0.97


def test_welchs_interval_covers_the_true_ratio_of_two_campaigns() -> None:
    rng = np.random.default_rng(7)
    hits = 0
    for _ in range(RUNS):
        found = of_unpaired_ratio(1.3 * rng.lognormal(0, 0.4, 5), rng.lognormal(0, 0.1, 5))
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= 1.3 <= found.high
    assert 0.93 <= hits / RUNS <= 0.98


def test_the_bootstrap_of_many_trials_covers_the_true_median() -> None:
    rng = np.random.default_rng(25)
    runs = 120
    hits = 0
    for values in rng.lognormal(0.0, 0.5, (runs, 25)):
        found = of_trials(values)
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= 1.0 <= found.high
    # Standard error 2 %: coverage below 89 % would be three of them away.
    assert hits / runs >= 0.89


def test_a_percentile_bootstrap_of_three_trials_covers_far_less() -> None:
    """Why it is not used: of 27 equally likely resamples, the median's extremes are the sample's own three values."""
    rng = np.random.default_rng(3)
    draws = rng.integers(0, 3, (500, 3))
    hits = 0
    for values in rng.lognormal(0.0, 0.5, (RUNS, 3)):
        low, high = np.quantile(np.median(values[draws], axis=1), [0.025, 0.975])
        hits += low <= 1.0 <= high
    assert hits / RUNS < 0.80
