"""Caches of a deployment, what the origin behind them counted, and what simulated policies would keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginCount:
    """What the origin counted over all of the load, warm-up and tail included, prefill not."""

    requests: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheRecord:
    """A cache of the deployment. ``size_bytes`` is what its configuration says, ``share`` how much of the catalogue.

    ``effective_bytes``: the bytes of objects that it really holds at that size, less its own overhead for each, as
    measured once for that cache; the simulation is given these.
    """

    instance: str
    kind: str
    policy: str
    size_bytes: int
    share: float | None = None
    effective_bytes: int | None = None


SIMULATION: Mapping[str, str] = {"lru": "LRU", "fifo": "FIFO", "lfuda": "LFUDA-textbook", "gdsf": "GDSF"}
"""The simulated policy (harness.simulation.policies) of each real one (harness.spec.proxy.CacheSpec).

``clfus``, which is Apache Traffic Server's alone, has none.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedRatio:
    """What one simulated policy misses: the share of a sequence's counted requests, and of the bytes they ask for.

    ``effective_bytes`` is the capacity that it was given: where ``matched``, what a real cache of that policy really
    holds, else the size as it was asked for. ``cache_share``: how much of the catalogue was asked for, if it was so.
    Raises ValueError for a share that is not between 0 and 1.
    """

    policy: str
    sequence: str
    cache_share: float | None = None
    effective_bytes: int
    by_requests: float
    by_bytes: float
    matched: bool = False

    def __post_init__(self) -> None:
        if not (0 <= self.by_requests <= 1 and 0 <= self.by_bytes <= 1):
            raise ValueError(f"{self.policy} misses a share that is not between 0 and 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """What eviction policies would keep of the experiment's sequences, on the same requests in the same order.

    ``requests`` and ``warmup`` are of each sequence; the first ``warmup`` filled the caches and are not counted.
    ``notes`` are sentences for a reader. ``why_not`` and ``remedy``: why there are no ratios, and how to get them.
    """

    catalogue_bytes: int = 0
    requests: int = 0
    warmup: int = 0
    ratios: tuple[SimulatedRatio, ...] = ()
    notes: tuple[str, ...] = ()
    why_not: str = ""
    remedy: str = ""
