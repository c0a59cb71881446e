"""What a trial leaves behind of regions, caches and sequences."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from harness.store.record import Record


class RttRecord(Record):
    """What the client of ``region`` measured to a host of the deployment before the load, by ICMP echoes.

    ``asked_ms`` is what the geography says. ``host`` is an instance's name.
    """

    region: str
    host: str
    asked_ms: float
    median_ms: float
    p99_ms: float
    echoes: int


class CoreRecord(Record):
    """What the core that joins the regions did over the trial.

    ``dropped``: by its full queues, which no trial should see; ``lost``: on purpose, by the geography's loss.
    ``late_p99_ns``: how late packets left it, beyond their delay. ``cpu_ns`` is its own CPU time.
    """

    packets: int
    bytes: int
    dropped: int
    lost: int
    late_p99_ns: int
    cpu_ns: int


class OriginCount(Record):
    """What the origin counted over all of the load, warm-up and tail included, prefill not."""

    requests: int
    bytes: int


class CacheRecord(Record):
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


class ReplayRecord(Record):
    """A replay's extent: how many requests were made, and how many of them at the beginning do not count.

    ``miss_bytes_per_s``: what the cache was given to fetch in a second at most; 0: as much as it would.
    """

    sequence: str
    requests: int
    warmup: int
    window_begin_ns: int
    window_end_ns: int
    miss_bytes_per_s: float = 0.0


SIMULATION: Mapping[str, str] = {"lru": "LRU", "fifo": "FIFO", "lfuda": "LFUDA-textbook", "gdsf": "GDSF"}
"""The simulated policy (harness.cache.policies) of each real one (harness.spec.front.CacheSpec).

``clfus``, which is Apache Traffic Server's alone, has none.
"""


class SimulatedRatio(Record):
    """What one simulated policy misses: the share of a sequence's counted requests, and of the bytes they ask for.

    ``effective_bytes`` is the capacity that it was given: where ``matched``, what a real cache of that policy really
    holds, else the size as it was asked for. ``cache_share``: how much of the catalogue was asked for, if it was so.
    """

    policy: str
    sequence: str
    cache_share: float | None = None
    effective_bytes: int
    by_requests: float = Field(ge=0, le=1)
    by_bytes: float = Field(ge=0, le=1)
    matched: bool = False


class Simulated(Record):
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
