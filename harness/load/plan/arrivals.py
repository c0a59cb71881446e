"""When each request is meant to be sent, and which task it runs: pure functions of a seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.clock import NS_PER_S

Arrivals = Literal["poisson", "constant"]

_ARRIVALS_STREAM = 0
_TASKS_STREAM = 1
_REGIONS_STREAM = 2
_CHUNK = 4096


def _generator(seed: int, stream: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, stream])))


def intended_offsets_ns(rate_rps: float, duration_s: float, arrivals: Arrivals, seed: int) -> NDArray[np.int64]:
    """The intended send times in nanoseconds from the start: sorted, within [0, duration).

    ``poisson`` has independent exponential gaps of mean 1/rate, the arrivals of many independent users. ``constant``
    has equal gaps, the first arrival at 0. The same arguments give the same schedule on every host, and a Poisson
    schedule of a longer duration begins with the shorter one. Raises ValueError unless both numbers are positive.
    """
    if rate_rps <= 0 or duration_s <= 0:
        raise ValueError("rate_rps and duration_s must be positive")
    end_ns = round(duration_s * NS_PER_S)
    if arrivals == "constant":
        count = int(np.ceil(rate_rps * duration_s))
        offsets = np.floor(np.arange(count) * (NS_PER_S / rate_rps)).astype(np.int64)
        return np.asarray(offsets[offsets < end_ns])
    rng = _generator(seed, _ARRIVALS_STREAM)
    chunks: list[NDArray[np.float64]] = []
    at_s = 0.0
    # Fixed chunks, so that how many numbers are drawn at once never depends on the duration.
    while at_s < duration_s:
        times = at_s + np.cumsum(rng.exponential(1 / rate_rps, _CHUNK))
        chunks.append(times)
        at_s = float(times[-1])
    offsets = np.floor(np.concatenate(chunks) * NS_PER_S).astype(np.int64)
    return offsets[offsets < end_ns]


def task_choices(count: int, weights: Sequence[float], seed: int) -> NDArray[np.int64]:
    """For each of ``count`` arrivals the index of its task, drawn with probabilities proportional to ``weights``.

    A stream of its own: the same seed gives the same tasks whatever the arrival times are. Raises ValueError when
    there is no positive weight.
    """
    return _chosen(_generator(seed, _TASKS_STREAM), count, weights)


def region_choices(count: int, weights: Sequence[float], seed: int) -> NDArray[np.int64]:
    """As ``task_choices`` the index of each arrival's region, from a further stream. No weights: 0 for all."""
    if not weights:
        return np.zeros(count, np.int64)
    return _chosen(_generator(seed, _REGIONS_STREAM), count, weights)


def region_stream(weights: Sequence[float], seed: int) -> Iterator[int]:
    """``region_choices`` without end, for arrivals whose number nobody knows beforehand."""
    if not weights:
        yield from repeat(0)
    rng = _generator(seed, _REGIONS_STREAM)
    while True:
        yield from _chosen(rng, _CHUNK, weights).tolist()


def _chosen(rng: np.random.Generator, count: int, weights: Sequence[float]) -> NDArray[np.int64]:
    shares = np.asarray(weights, dtype=np.float64)
    if shares.size == 0 or (shares < 0).any() or shares.sum() <= 0:
        raise ValueError("weights must hold at least one positive number and none below 0")
    edges = np.cumsum(shares) / shares.sum()
    # Rounding must leave nothing beyond the last that can be drawn.
    edges[int(np.flatnonzero(shares)[-1]) :] = 1.0
    return np.asarray(np.searchsorted(edges, rng.random(count), side="right"), dtype=np.int64)
