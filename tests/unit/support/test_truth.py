"""The judge of known figures: it agrees with what is true, differs from what is not, and says when it cannot tell."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import pytest

from harness.analysis.intervals import Estimate
from tests.support.truth import LEAST, Judged, Truth, Verdict, Window, judge, measure

TEN = Truth("ten", "ms", 10, 10, within=0.5)
AT_MOST_TEN = Truth("at most ten", "ms", -math.inf, 10, within=0.5)


def clock(step_s: float = 1.0) -> Callable[[], float]:
    """A clock that goes on by so much whenever it is read."""
    moments = itertools.count(0, step_s)
    return lambda: next(moments)


def measured(truth: Truth, values: Sequence[float], budget_s: float = 1000) -> Judged:
    """As many of the values as are needed or as there is time for, a second each."""
    each = iter(values)
    return measure((truth,), lambda: (next(each),), budget_s, now_s=clock())[0]


@pytest.mark.parametrize(
    ("truth", "low", "high", "verdict"),
    [
        (TEN, 9.8, 10.2, Verdict.AGREES),
        (TEN, 10.0, 10.0, Verdict.AGREES),
        (TEN, 9.8, 9.99, Verdict.DIFFERS),
        (TEN, 10.01, 10.2, Verdict.DIFFERS),
        (TEN, 9.0, 11.0, Verdict.IMPRECISE),
        (TEN, 11.0, 99.0, Verdict.DIFFERS),
        (TEN, None, None, Verdict.IMPRECISE),
        (AT_MOST_TEN, 3.0, 3.5, Verdict.AGREES),
        (AT_MOST_TEN, 9.8, 10.2, Verdict.AGREES),
        (AT_MOST_TEN, 3.0, 9.0, Verdict.IMPRECISE),
        (AT_MOST_TEN, 10.1, 10.2, Verdict.DIFFERS),
    ],
)
def test_the_interval_decides(truth: Truth, low: float | None, high: float | None, verdict: Verdict) -> None:
    assert judge(truth, Estimate(10.0, low, high, LEAST)) is verdict


def test_a_few_values_that_are_near_each_other_by_chance_show_nothing() -> None:
    assert judge(TEN, Estimate(10.0, 9.99, 10.01, LEAST - 1)) is Verdict.IMPRECISE


def test_it_measures_until_the_interval_is_narrow_and_no_longer() -> None:
    wide, narrow = [5.0, 15.0] * 5, [9.9, 10.1] * 500
    assert measured(TEN, narrow).estimate.n == LEAST
    found = measured(TEN, wide + narrow)
    assert found.verdict is Verdict.AGREES
    assert len(wide) < found.estimate.n < 100


def test_a_wide_interval_that_holds_the_truth_is_no_agreement() -> None:
    found = measured(TEN, [5.0, 15.0] * 50, budget_s=30)
    assert (found.verdict, found.estimate.n) == (Verdict.IMPRECISE, 30)
    assert str(found).endswith("known: 10, wanted to 0.5: not enough precision on this host")


def test_a_wrong_figure_differs_whether_it_is_precise_or_not() -> None:
    assert measured(TEN, [10.6, 10.7] * 50).verdict is Verdict.DIFFERS
    assert measured(TEN, [13.0, 19.0] * 50, budget_s=30).verdict is Verdict.DIFFERS


def test_one_measurement_is_made_though_there_is_no_time() -> None:
    found = measured(TEN, [10.0], budget_s=0)
    assert (found.verdict, found.estimate.n) == (Verdict.IMPRECISE, 1)


def test_every_truth_of_a_measurement_is_judged_by_its_own_figure() -> None:
    dice = np.random.default_rng(1)
    found = measure((TEN, AT_MOST_TEN), lambda: (dice.normal(10, 0.1), dice.normal(12, 3)), 1000, now_s=clock())
    assert [each.verdict for each in found] == [Verdict.AGREES, Verdict.DIFFERS]


def disturbed(which: Callable[[int], bool]) -> Callable[[], AbstractContextManager[Window]]:
    numbers = itertools.count()

    @contextmanager
    def watch() -> Iterator[Window]:
        window = Window()
        yield window
        window.disturbed = "stolen" if which(next(numbers)) else ""

    return watch


def test_what_the_host_disturbed_is_left_out_whatever_its_figure() -> None:
    figures = itertools.cycle([10.0, 90.0])
    found = measure((TEN,), lambda: (next(figures),), 1000, disturbed(lambda number: number % 2 == 1), clock())[0]
    assert (found.verdict, found.estimate.n, found.left_out) == (Verdict.AGREES, LEAST, LEAST - 1)
    assert found.estimate.high == 10.0


def test_where_the_host_disturbed_all_nothing_is_known_and_the_figure_is_shown() -> None:
    found = measure((TEN,), lambda: (90.0,), 20, disturbed(lambda _: True), clock())[0]
    assert (found.verdict, found.estimate.median, found.left_out) == (Verdict.IMPRECISE, 90.0, 20)
    assert "90 ms" in str(found)


@pytest.mark.parametrize("spread", [0.2, 1.0, 4.0])
@pytest.mark.parametrize("skewed", [False, True])
def test_a_true_figure_is_rarely_called_different_and_a_false_one_nearly_always(spread: float, skewed: bool) -> None:
    """Of 400 measurements each, with the rule for their end in force: the interval promises one in twenty."""
    dice = np.random.default_rng(5)

    def drawn(median: float) -> Verdict:
        def once() -> tuple[float]:
            noise = dice.exponential(spread) - spread * math.log(2) if skewed else dice.normal(0, spread)
            return (median + noise,)

        return measure((TEN,), once, 200, now_s=clock())[0].verdict

    true, false = ([drawn(median) for _ in range(400)] for median in (10.0, 10.0 + 3 * TEN.within))
    assert true.count(Verdict.DIFFERS) <= 0.08 * 400
    assert false.count(Verdict.DIFFERS) >= 0.95 * 400
