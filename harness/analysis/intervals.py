"""Intervals over trials: honest for three of them as for forty. Pure.

Ratios: Student's t on the log ratios of pairs, for every n, since a ratio is a difference of logarithms. Medians: t on
logarithms for few trials, since startup, memory, CPU and latency are positive and skewed to the right; from ``MANY`` on
the exact interval of order statistics, which needs no distribution. Simulated coverage decided (METHOD, rule 2), here
in per cent for a nominal 95, of 2,000 (BCa), 5,000 or 20,000 (t, exact) simulated campaigns each:

====================  ====  ===========  =============  ===========  =============  ===========  ===========  =======
log figure of a          n  ratio, both  ratio, both    ratio, one   ratio, one     median       median       median
trial                       noisy: t     noisy: BCa     noisy: t     noisy: BCa     by t         by BCa       exact
====================  ====  ===========  =============  ===========  =============  ===========  ===========  =======
normal                  20         95.0           91.9         95.3           92.9         95.0         94.8     95.9
normal                  40         95.0           93.7         94.8           93.8         95.0         94.2     96.5
1 + 0.3 exponential     20         95.1           91.3         93.7           92.4         87.2         93.8     95.8
1 + 0.3 exponential     40         95.1           92.2         94.1           93.4         70.7         94.0     96.2
exponential             20         95.3           91.5         91.1           90.9         82.8         94.2     96.0
exponential             40         95.0           91.7         93.0           93.0         61.7         94.5     96.4
normal, 10 % doubled    20         96.1           84.2         88.3           86.7         91.5         93.8     95.8
normal, 10 % doubled    40         95.2           90.7         91.3           95.1         72.9         95.0     96.0
====================  ====  ===========  =============  ===========  =============  ===========  ===========  =======

So there is no bootstrap: of ratios the bias-corrected and accelerated one (BCa, Efron 1987) covers less than t but in
one case, of medians less than the exact interval in all. Of medians t covers at least 93.5 up to n = 10 whatever the
skew, and 91.6 at n = 12; the exact interval begins at n = 6 and is a quarter to three quarters wider below n = 12.

Known weakness: where every tenth trial of one variant alone is doubled, the interval of its ratio covers 77 % at
n = 5 and 72 % at n = 10: so few trials may hold no outlier at all, and no method sees what was not drawn.

Sources: Kalibera & Jones, "Rigorous benchmarking in reasonable time", ISMM 2013 (ratios with intervals, from the
highest level of repetition); Georges et al., OOPSLA 2007 (t below 30 runs); David & Nagaraja, "Order Statistics", 2003,
section 7.1 (the exact interval of a median); Cliff, Psychological Bulletin 114, 1993 (delta).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from harness.analysis.percentiles import CONFIDENCE

MANY = 12
"""From so many trials on a median has its exact interval."""

Values = Sequence[float] | NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A point and its 95 % interval from ``n`` trials (or pairs). ``low`` and ``high`` are None where there is none."""

    median: float
    low: float | None
    high: float | None
    n: int


def known(value: float) -> float | None:
    """A cell of a frame: None in place of NaN."""
    return None if math.isnan(value) else value


def of_trials(values: Values) -> Estimate:
    """The median of one figure per trial, with its interval. Raises ValueError without values.

    n = 1: no interval. n = 2: Student's t with one degree of freedom, 12.7 standard errors: very wide, and it covers
    what it says, so it is shown. n < ``MANY``: t on logarithms, which is an interval of the geometric mean (the median,
    if trials are lognormal), widened to the sample's median where that lies outside. Where a value is not positive the
    logarithm does not exist, and t is taken on the values. n >= ``MANY``: between two of the values, so that the
    population's median lies outside in at most 5 % of all samples of any distribution.
    """
    data = _array(values)
    median = float(np.median(data))
    if len(data) == 1:
        return Estimate(median, None, None, 1)
    if np.ptp(data) == 0:
        return Estimate(median, median, median, len(data))
    if len(data) >= MANY:
        low, high = _order_statistics(data)
    elif (data > 0).all():
        low, high = (math.exp(end) for end in _student(np.log(data)))
    else:
        low, high = _student(data)
    return Estimate(median, min(low, median), max(high, median), len(data))


def of_known(values: ArrayLike) -> Estimate | None:
    """As ``of_trials``, of those values that are not NaN; None without any."""
    data = np.asarray(values, dtype=np.float64)
    there = data[~np.isnan(data)]
    return of_trials(there) if len(there) else None


def of_ratio(numerators: Values, denominators: Values) -> Estimate | None:
    """The ratio of two figures, each pair from one block: the geometric mean of the pairs' ratios, with its interval.

    The block is the unit: what the host did to one block it did to both. Student's t on the log ratios. None where a
    figure is not positive or there are no pairs: such a ratio does not exist.
    """
    above, below = np.asarray(numerators, dtype=np.float64), np.asarray(denominators, dtype=np.float64)
    if len(above) != len(below):
        raise ValueError("a ratio needs pairs")
    if not len(above) or (above <= 0).any() or (below <= 0).any():
        return None
    return of_log_ratios(np.log(above) - np.log(below))


def of_log_ratios(logs: Values) -> Estimate:
    """As ``of_ratio``, from one log ratio per block. Raises ValueError without values."""
    data = _array(logs)
    middle = float(data.mean())
    if len(data) == 1:
        return Estimate(math.exp(middle), None, None, 1)
    if np.ptp(data) == 0:
        return Estimate(math.exp(middle), math.exp(middle), math.exp(middle), len(data))
    low, high = _student(data)
    return Estimate(math.exp(middle), math.exp(low), math.exp(high), len(data))


def of_differences(numerators: Values, denominators: Values) -> Estimate | None:
    """The first figure less the second, each pair from one block: the mean of the differences, with its interval.

    For what a step adds to a path, in its own unit. Student's t on the differences, paired as in ``of_ratio``; a
    difference may be negative. ``median`` holds the mean, which is what t's interval is about. None without pairs.
    """
    first, second = np.asarray(numerators, dtype=np.float64), np.asarray(denominators, dtype=np.float64)
    if len(first) != len(second):
        raise ValueError("a difference needs pairs")
    if not len(first):
        return None
    data = first - second
    middle = float(data.mean())
    if len(data) == 1:
        return Estimate(middle, None, None, 1)
    if np.ptp(data) == 0:
        return Estimate(middle, middle, middle, len(data))
    return Estimate(middle, *_student(data), len(data))


def of_unpaired_ratio(numerators: Values, denominators: Values) -> Estimate | None:
    """The ratio of two campaigns' figures: geometric means, with Welch's interval on logarithms (unequal variances).

    ``n`` is the smaller of both counts. No interval where either has one trial; None where a figure is not positive.
    """
    above, below = np.asarray(numerators, dtype=np.float64), np.asarray(denominators, dtype=np.float64)
    if not len(above) or not len(below) or (above <= 0).any() or (below <= 0).any():
        return None
    above, below = np.log(above), np.log(below)
    n = min(len(above), len(below))
    ratio = math.exp(above.mean() - below.mean())
    if n < 2:
        return Estimate(ratio, None, None, n)
    if np.ptp(above) == 0 and np.ptp(below) == 0:
        return Estimate(ratio, ratio, ratio, n)
    low, high = _welch(above, below)
    return Estimate(ratio, math.exp(low), math.exp(high), n)


def cliffs_delta(first: Values, second: Values) -> float:
    """P(first > second) - P(first < second) over all pairs of trials: 1 where every first is larger, 0 where alike."""
    a, b = _array(first), _array(second)
    return float(np.sign(a[:, None] - b[None, :]).mean())


def probability_greater(first: Values, second: Values) -> float:
    """P(first > second), a tie counted as half: the chance that a trial of the first shows the larger figure."""
    return (cliffs_delta(first, second) + 1) / 2


def _student(data: NDArray[np.float64]) -> tuple[float, float]:
    half = _critical(len(data) - 1) * float(data.std(ddof=1)) / math.sqrt(len(data))
    return float(data.mean()) - half, float(data.mean()) + half


def _welch(first: NDArray[np.float64], second: NDArray[np.float64]) -> tuple[float, float]:
    """The interval of the difference of two means whose variances differ (Welch, Biometrika 34, 1947)."""
    parts = [float(data.var(ddof=1)) / len(data) for data in (first, second)]
    error = math.sqrt(sum(parts))
    freedom = sum(parts) ** 2 / sum(
        part**2 / (len(data) - 1) for part, data in zip(parts, (first, second), strict=True)
    )
    middle, half = float(first.mean() - second.mean()), _critical(freedom) * error
    return middle - half, middle + half


@cache
def _critical(freedom: float) -> float:
    # scipy.special's own function: scipy.stats gives the same and takes a second to import.
    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))


def _order_statistics(data: NDArray[np.float64]) -> tuple[float, float]:
    # The count of values below the median is binomial with one half; ranks are chosen symmetrically.
    ordered = np.sort(data)
    rank = _rank(len(data))
    return float(ordered[rank - 1]), float(ordered[len(data) - rank])


@cache
def _rank(n: int) -> int:
    """The smallest number of tails that so many tosses of a fair coin reach, or less, with at least that chance."""
    wanted, below = Fraction((1 - CONFIDENCE) / 2) * 2**n, 0
    for rank in range(n + 1):
        below += math.comb(n, rank)
        if below >= wanted:
            break
    return rank


def _array(values: Values) -> NDArray[np.float64]:
    data = np.asarray(values, dtype=np.float64)
    if not len(data):
        raise ValueError("no trials, no interval")
    return data
