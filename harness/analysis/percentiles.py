"""Percentiles of one trial's requests, and how many requests each needs before it may be printed."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
"""Of every interval in Tare."""


def minimum_samples(q: float, confidence: float = CONFIDENCE) -> int:
    """The fewest samples for which the ``q`` quantile has a two-sided order-statistic interval.

    The number of samples below the quantile is binomial(n, q). The widest interval that order statistics can give,
    from the smallest to the largest sample, misses on either side with probability q^n and (1 - q)^n; each must be at
    most (1 - confidence) / 2. For 95 %: median 6, p90 36, p95 72, p99 368, p99.9 3688 (David & Nagaraja, Order
    Statistics, 3rd ed., section 7.1). Raises ValueError unless 0 < q < 1.
    """
    if not 0 < q < 1:
        raise ValueError("a quantile lies between 0 and 1")
    return math.ceil(math.log((1 - confidence) / 2) / math.log(max(q, 1 - q)))


def percentile(values: NDArray[np.float64], q: float) -> float | None:
    """The ``q`` quantile of one trial's values, or None where they are fewer than ``minimum_samples``.

    It is one of the values: the smallest that has at least a share ``q`` of all at or below it (numpy's
    ``inverted_cdf``), so nothing is interpolated in a sparse tail.
    """
    if len(values) < minimum_samples(q):
        return None
    return float(np.quantile(values, q, method="inverted_cdf"))
