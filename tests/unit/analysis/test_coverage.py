"""Simulated coverage decides between methods (METHOD, rule 2). harness.analysis.intervals has the whole table."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from harness.analysis.intervals import Estimate, of_log_ratios, of_ratio, of_trials, of_unpaired_ratio

RUNS = 1500
"""The standard error of a coverage of 95 % is then 0.56 %, and the seeds are fixed."""

Draw = Callable[[np.random.Generator, tuple[int, int]], NDArray[np.float64]]


def exponential_logs(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
    return rng.exponential(0.5, shape)


def outliers(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
    return rng.normal(0, 0.05, shape) + (rng.random(shape) < 0.1) * math.log(2)


def holds(found: Estimate | None, truth: float) -> bool:
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    return found.low <= truth <= found.high


@pytest.mark.parametrize("n", [2, 3, 5, 10])
def test_an_interval_of_few_lognormal_trials_covers_the_true_median(n: int) -> None:
    rng = np.random.default_rng(n)
    hits = sum(holds(of_trials(values), 1.0) for values in rng.lognormal(0.0, 0.5, (RUNS, n)))
    assert 0.93 <= hits / RUNS <= 0.97


@pytest.mark.parametrize("n", [3, 5, 10, 12, 20, 40])
@pytest.mark.parametrize(
    ("draw", "median"),
    [
        (exponential_logs, 0.5 * math.log(2)),
        # Nine of ten are normal and below all the others, so the median is the normals' 5/9 quantile.
        (outliers, 0.05 * float(stats.norm.ppf(5 / 9))),
    ],
)
def test_skew_takes_little_of_the_coverage_of_the_true_median(draw: Draw, median: float, n: int) -> None:
    rng = np.random.default_rng(1000 + n)
    hits = sum(holds(of_trials(values), math.exp(median)) for values in np.exp(draw(rng, (RUNS, n))))
    assert hits / RUNS >= 0.92


@pytest.mark.parametrize("n", [3, 5, 10, 20, 40])
def test_an_interval_of_paired_ratios_covers_the_true_ratio(n: int) -> None:
    rng = np.random.default_rng(100 + n)
    block = rng.lognormal(0, 1.0, (RUNS, n))
    above, below = 1.3 * block * rng.lognormal(0, 0.2, (RUNS, n)), block * rng.lognormal(0, 0.2, (RUNS, n))
    hits = sum(holds(of_ratio(*pair), 1.3) for pair in zip(above, below, strict=True))
    assert 0.93 <= hits / RUNS <= 0.97


@pytest.mark.parametrize("n", [5, 20, 40])
@pytest.mark.parametrize("draw", [exponential_logs, outliers])
def test_skew_takes_nothing_of_the_coverage_of_a_ratio(draw: Draw, n: int) -> None:
    rng = np.random.default_rng(200 + n)
    hits = sum(holds(of_log_ratios(logs), 1.0) for logs in draw(rng, (RUNS, n)) - draw(rng, (RUNS, n)))
    assert hits / RUNS >= 0.935


def test_welchs_interval_covers_the_true_ratio_of_two_campaigns() -> None:
    rng = np.random.default_rng(7)
    above, below = 1.3 * rng.lognormal(0, 0.4, (RUNS, 5)), rng.lognormal(0, 0.1, (RUNS, 5))
    hits = sum(holds(of_unpaired_ratio(*pair), 1.3) for pair in zip(above, below, strict=True))
    assert 0.93 <= hits / RUNS <= 0.98


def test_a_percentile_bootstrap_of_three_trials_covers_far_less() -> None:
    """Why it is not used: of 27 equally likely resamples, the median's extremes are the sample's own three values."""
    rng = np.random.default_rng(3)
    draws = rng.integers(0, 3, (500, 3))
    resampled = np.median(rng.lognormal(0.0, 0.5, (RUNS, 3))[:, draws], axis=2)
    low, high = np.quantile(resampled, [0.025, 0.975], axis=1)
    assert np.mean((low <= 1.0) & (high >= 1.0)) < 0.80


def test_a_bca_bootstrap_of_twenty_ratios_covers_less_than_t() -> None:
    """Why it is not used: of skewed log ratios, drawn as above, it covers clearly less than the nominal 95 %."""
    rng = np.random.default_rng(5)
    logs = outliers(rng, (400, 20)) - outliers(rng, (400, 20))
    found = stats.bootstrap((logs,), np.mean, axis=1, n_resamples=400, method="BCa", rng=rng).confidence_interval
    bca = np.mean((found.low <= 0) & (found.high >= 0))
    student = np.mean([holds(of_log_ratios(each), 1.0) for each in logs])
    assert bca < 0.90 < student
