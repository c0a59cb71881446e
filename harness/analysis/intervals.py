"""Intervals over trials: honest for three of them as for thirty. Pure.

Few trials (n < ``MANY``): Student's t on the logarithms, since startup, memory, CPU and latency are positive and
skewed to the right, and a ratio is a difference of logarithms. Many: the bias-corrected and accelerated bootstrap
(Efron 1987). Simulated coverage decided (tests/unit/analysis/test_coverage.py): for lognormal trials Student's t on
logs covers 95 % at n = 3, while a percentile bootstrap of three values covers far less.

Known weakness: of a ratio from n = 20 pairs, BCa covers 92.7 % where t covers 95.2 % (2000 simulated campaigns, normal
log ratios); at n = 50 it is 94.7 % and 95.7 %. METHOD asks for BCa there; so far simulation does not favour it.

Sources: Kalibera & Jones, "Rigorous benchmarking in reasonable time", ISMM 2013 (ratios with intervals, from the
highest level of repetition); Georges et al., OOPSLA 2007 (t below 30 runs); Cliff, Psychological Bulletin 114, 1993
(delta).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from harness.analysis.percentiles import CONFIDENCE

MANY = 20
RESAMPLES = 9999
_SEED = 20131
"""Resampling draws from a fixed seed: the same folder always gives the same figures."""

Values = Sequence[float] | NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A point and its 95 % interval from ``n`` trials (or pairs). ``low`` and ``high`` are None where there is none."""

    median: float
    low: float | None
    high: float | None
    n: int


def of_trials(values: Values) -> Estimate:
    """The median of one figure per trial, with its interval. Raises ValueError without values.

    n = 1: no interval. n = 2: Student's t with one degree of freedom, 12.7 standard errors: very wide, and it covers
    what it says, so it is shown. n < 20: t on logarithms, which is an interval of the geometric mean (the median, if
    trials are lognormal), widened to the sample's median where that lies outside. Where a value is not positive the
    logarithm does not exist, and t is taken on the values. n >= 20: BCa of the median, or the exact order-statistic
    interval where ties at the median leave the jackknife nothing to vary.
    """
    data = _array(values)
    median = float(np.median(data))
    if len(data) == 1:
        return Estimate(median, None, None, 1)
    if np.ptp(data) == 0:
        return Estimate(median, median, median, len(data))
    if len(data) >= MANY:
        low, high = _bca(data, np.median) or _order_statistics(data)
    elif (data > 0).all():
        low, high = (math.exp(end) for end in _student(np.log(data)))
    else:
        low, high = _student(data)
    return Estimate(median, min(low, median), max(high, median), len(data))


def of_ratio(numerators: Values, denominators: Values) -> Estimate | None:
    """The ratio of two figures, each pair from one block: the geometric mean of the pairs' ratios, with its interval.

    The block is the unit: what the host did to one block it did to both. n < 20 pairs: Student's t on the log ratios;
    n >= 20: BCa over blocks (a block holds each cell once, so the lower level of the hierarchy has one element). None
    where a figure is not positive or there are no pairs: such a ratio does not exist.
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
    # BCa of a mean is undefined only where the logarithms differ by no more than rounding; t is as good there.
    found = _bca(data, np.mean) if len(data) >= MANY else None
    low, high = found or _student(data)
    return Estimate(math.exp(middle), math.exp(low), math.exp(high), len(data))


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
    ends = stats.ttest_ind(above, below, equal_var=False).confidence_interval(CONFIDENCE)
    return Estimate(ratio, math.exp(ends.low), math.exp(ends.high), n)


def cliffs_delta(first: Values, second: Values) -> float:
    """P(first > second) - P(first < second) over all pairs of trials: 1 where every first is larger, 0 where alike."""
    a, b = _array(first), _array(second)
    return float(np.sign(a[:, None] - b[None, :]).mean())


def probability_greater(first: Values, second: Values) -> float:
    """P(first > second), a tie counted as half: the chance that a trial of the first shows the larger figure."""
    return (cliffs_delta(first, second) + 1) / 2


def _student(data: NDArray[np.float64]) -> tuple[float, float]:
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(data) - 1) * stats.sem(data))
    return float(data.mean()) - half, float(data.mean()) + half


def _bca(data: NDArray[np.float64], statistic: object) -> tuple[float, float] | None:
    # A degenerate sample divides 0 by 0 in the jackknife; the NaN that results is looked for below.
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        found = stats.bootstrap(
            (data,),
            statistic,
            n_resamples=RESAMPLES,
            confidence_level=CONFIDENCE,
            method="BCa",
            rng=np.random.default_rng(_SEED),
        ).confidence_interval
    return None if math.isnan(found.low) or math.isnan(found.high) else (float(found.low), float(found.high))


def _order_statistics(data: NDArray[np.float64]) -> tuple[float, float]:
    ordered = np.sort(data)
    below = int(stats.binom.ppf((1 - CONFIDENCE) / 2, len(data), 0.5))
    return float(ordered[below - 1]), float(ordered[len(data) - below])


def _array(values: Values) -> NDArray[np.float64]:
    data = np.asarray(values, dtype=np.float64)
    if not len(data):
        raise ValueError("no trials, no interval")
    return data
