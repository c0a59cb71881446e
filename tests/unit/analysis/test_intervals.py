from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.analysis.intervals import (
    Estimate,
    cliffs_delta,
    of_differences,
    of_ratio,
    of_trials,
    of_unpaired_ratio,
    probability_greater,
)

positive = st.floats(1e-3, 1e6)
some = st.lists(positive, min_size=1, max_size=30)


def ends(found: Estimate | None) -> tuple[float, float]:
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    return found.low, found.high


def test_one_trial_has_no_interval() -> None:
    assert of_trials([3.0]) == Estimate(3.0, None, None, 1)


def test_two_trials_have_a_very_wide_one() -> None:
    low, high = ends(of_trials([1.0, 1.1]))
    assert high / low > 3


def test_no_trials_are_refused() -> None:
    with pytest.raises(ValueError, match="no trials"):
        of_trials([])


def test_few_trials_agree_with_scipys_t_on_logs() -> None:
    values = np.array([0.41, 0.44, 0.39, 0.52, 0.43])
    logs = np.log(values)
    expected = stats.t.interval(0.95, len(logs) - 1, logs.mean(), stats.sem(logs))
    assert ends(of_trials(values)) == pytest.approx(tuple(np.exp(expected)))


def test_figures_that_are_not_positive_take_t_on_the_values() -> None:
    values = np.array([0.0, 1.0, 3.0])
    expected = stats.t.interval(0.95, 2, values.mean(), stats.sem(values))
    assert ends(of_trials(values)) == pytest.approx(tuple(expected))


@pytest.mark.parametrize("n", [12, 13, 20, 40])
def test_many_trials_have_the_exact_interval_of_the_median(n: int) -> None:
    values = np.random.default_rng(5).lognormal(0, 0.5, n)
    low, high = ends(of_trials(values))
    below = np.searchsorted(np.sort(values), [low, high])
    outside = stats.binom.cdf(below[0], n, 0.5) + stats.binom.sf(below[1], n, 0.5)
    narrower = stats.binom.cdf(below[0] + 1, n, 0.5) + stats.binom.sf(below[1] - 1, n, 0.5)
    assert outside <= 0.05 < narrower


def test_ties_of_many_trials_are_no_trouble() -> None:
    values = [1.0] * 4 + [2.0] * 18 + [9.0] * 4
    assert ends(of_trials(values)) == (2.0, 2.0)


@given(some)
def test_the_interval_holds_the_median(values: list[float]) -> None:
    found = of_trials(values)
    assert found.median == float(np.median(values))
    if len(values) > 1:
        low, high = ends(found)
        assert low <= found.median <= high


@given(st.lists(positive, min_size=2, max_size=12), st.floats(0.01, 100))
def test_a_change_of_unit_changes_nothing_else(values: list[float], unit: float) -> None:
    before, after = ends(of_trials(values)), ends(of_trials([value * unit for value in values]))
    assert after == pytest.approx((before[0] * unit, before[1] * unit), rel=1e-6)


def test_a_ratio_is_paired() -> None:
    """The block's own effect (here a factor of 100 between blocks) cancels; unpaired it would drown the difference."""
    below = np.array([1.0, 10.0, 100.0])
    low, high = ends(of_ratio(below * np.array([1.19, 1.2, 1.21]), below))
    assert 1.15 < low < 1.2 < high < 1.25


def test_a_ratio_agrees_with_scipys_paired_t() -> None:
    above, below = np.array([2.0, 2.2, 1.9, 2.4]), np.array([1.0, 1.3, 0.9, 1.1])
    expected = stats.ttest_rel(np.log(above), np.log(below)).confidence_interval(0.95)
    assert ends(of_ratio(above, below)) == pytest.approx((math.exp(expected.low), math.exp(expected.high)))


def test_a_ratio_to_nothing_does_not_exist() -> None:
    assert of_ratio([1.0], [0.0]) is None
    assert of_ratio([], []) is None
    with pytest.raises(ValueError, match="pairs"):
        of_ratio([1.0, 2.0], [1.0])


@given(st.lists(st.tuples(positive, positive), min_size=2, max_size=30))
def test_a_ratio_turned_round_is_its_reciprocal(pairs: list[tuple[float, float]]) -> None:
    above, below = zip(*pairs, strict=True)
    one, other = of_ratio(above, below), of_ratio(below, above)
    low, high = ends(one)
    assert ends(other) == pytest.approx((1 / high, 1 / low), rel=1e-6)


def test_an_unpaired_ratio_agrees_with_welch() -> None:
    above, below = np.array([2.0, 2.2, 1.9, 2.4]), np.array([1.0, 1.3, 0.9])
    result = stats.ttest_ind(np.log(above), np.log(below), equal_var=False).confidence_interval(0.95)
    assert ends(of_unpaired_ratio(above, below)) == pytest.approx((math.exp(result.low), math.exp(result.high)))


def test_an_unpaired_ratio_of_one_trial_has_no_interval() -> None:
    found = of_unpaired_ratio([2.0], [1.0, 1.1])
    assert found is not None
    assert found.median == pytest.approx(2.0 / math.sqrt(1.1))
    assert (found.low, found.high, found.n) == (None, None, 1)
    assert of_unpaired_ratio([], [1.0]) is None


def test_cliffs_delta_of_the_textbook() -> None:
    assert cliffs_delta([2, 3, 4], [1, 1, 1]) == 1
    assert cliffs_delta([1, 2], [1, 2]) == 0
    assert cliffs_delta([1, 5], [2, 3, 4]) == 0


@given(some, some)
def test_probability_greater_agrees_with_mann_whitney(first: list[float], second: list[float]) -> None:
    u = stats.mannwhitneyu(first, second, method="asymptotic", use_continuity=False).statistic
    assert probability_greater(first, second) == pytest.approx(u / (len(first) * len(second)))
    assert cliffs_delta(first, second) == pytest.approx(-cliffs_delta(second, first))


def test_a_difference_is_paired_and_may_be_negative() -> None:
    found = of_differences([1.0, 2.0, 3.0], [1.5, 2.4, 3.6])
    assert found is not None
    assert found.median == pytest.approx(-0.5)
    # Student's t with 2 degrees of freedom: 4.303 standard errors of 0.0577.
    assert ends(found) == pytest.approx((-0.7484, -0.2516), abs=1e-3)
    assert of_differences([], []) is None
    assert of_differences([2.0], [1.0]) == Estimate(1.0, None, None, 1)
    assert of_differences([2.0, 3.0], [1.0, 2.0]) == Estimate(1.0, 1.0, 1.0, 2)
    with pytest.raises(ValueError, match="pairs"):
        of_differences([1.0], [])


def test_the_ranks_of_a_medians_interval_are_those_of_the_binomial() -> None:
    for n in range(12, 300):
        low, high = ends(of_trials(np.arange(1.0, n + 1)))
        rank = int(stats.binom.ppf(0.025, n, 0.5))
        assert (low, high) == (rank, n - rank + 1)
