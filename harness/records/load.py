"""What the load generator did, and what it can do."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadCounts:
    """Counts of the measured window, by intended time.

    ``scheduled`` arrivals; ``completed``: their first requests that were answered as expected; ``errors`` and
    ``unexpected`` count every request of a task. ``send_lag_p99_ns`` is over the first requests that were sent (0 where
    there are none).
    """

    scheduled: int
    completed: int
    dropped: int
    errors: int
    unexpected: int
    send_lag_p99_ns: int
    generator_busy: float
    """Share of the window in which the generator's core did work (waiting precisely is not work)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadFacts(LoadCounts):
    """What the generator did in the measured window. ``target_rps`` is 0 in a replay, which has no schedule."""

    target_rps: float
    window_begin_ns: int
    window_end_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """A closed loop of ``users`` connections, each sending as soon as it has its answer.

    Answers that came in the window as expected, and requests that failed in it.
    """

    users: int
    completed: int
    errors: int
    window_ns: int

    @property
    def rps(self) -> float:
        return self.completed * 1e9 / self.window_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayRecord:
    """A replay's extent: how many requests were made, and how many of them at the beginning do not count.

    ``miss_bytes_per_s``: what the cache was given to fetch in a second at most; 0: as much as it would.
    """

    sequence: str
    requests: int
    warmup: int
    window_begin_ns: int
    window_end_ns: int
    miss_bytes_per_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NullFloor:
    """The instrument's own figures: the generator against the null service, at ``rate_rps``, and its own limit.

    With fewer than 400 samples (a rate below 80/s) p99 rests on a handful of requests and is an upper bound.
    """

    rate_rps: float
    latency_p50_ms: float
    latency_p99_ms: float
    service_time_p50_ms: float
    send_lag_p99_ms: float
    highest_rate_rps: float
    """The highest rate tried at which p99 send lag stayed within the limit and no arrival was dropped (0: not even
    ``rate_rps`` was kept)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """The load levels once they are known: name to arrivals per second, and the capacities they were derived from.

    ``limited_by_generator``: the shares would have given more than half of what the generator can keep.
    """

    rates_rps: dict[str, float]
    capacities_rps: dict[str, float] = field(default_factory=dict)
    limited_by_generator: bool = False
