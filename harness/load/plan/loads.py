"""How requests follow one another: the four kinds of load, as small types, and their union ``Load``.

Whoever has to tell them apart does it with ``match`` on these types, or asks one of their properties.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from harness.load.plan.arrivals import Arrivals
from harness.load.plan.sequence import SequencePlan

_PREPARE_S = 60.0
_FAR_S = 1.0
"""How long a request to another continent may take that is passed on from there: two handshakes and two answers."""
_NEAR_S = 0.1
_SPARE_SHARE = 1.2


@dataclass(frozen=True, slots=True)
class Schedule:
    """Arrivals at ``rate_rps``: ``warmup_s``, which does not count, and then ``duration_s``, which is measured."""

    rate_rps: float
    duration_s: float
    warmup_s: float = 0.0
    arrivals: Arrivals = "poisson"

    def __post_init__(self) -> None:
        if self.rate_rps <= 0 or self.duration_s <= 0:
            raise ValueError("rate_rps and duration_s must be positive")
        if self.warmup_s < 0:
            raise ValueError("warmup_s must not be negative")


@dataclass(frozen=True, slots=True)
class Pool:
    """How many tasks of a schedule may be under way: an arrival that finds ``max_in_flight`` is recorded as dropped.

    ``queue``
        Instead of being dropped such an arrival waits its turn, in order. Its latency still counts from the intended
        time and its send lag shows the wait, so this is a model of a client with a bounded pool of connections, not a
        way round the validity rule on send lag.
    """

    max_in_flight: int = 128
    queue: bool = False

    def __post_init__(self) -> None:
        if self.max_in_flight < 1:
            raise ValueError("max_in_flight must be at least 1")


@dataclass(frozen=True, slots=True)
class CapacityPhase:
    """A closed loop of ``users`` for ``duration_s``: its answers per second are the capacity."""

    users: int
    duration_s: float

    def __post_init__(self) -> None:
        if self.users < 1 or self.duration_s <= 0:
            raise ValueError("a closed loop needs a user and a positive duration_s")


@dataclass(frozen=True, slots=True)
class OpenLoop:
    """Arrivals by a schedule, whatever the answers do.

    The load goes on for ``tail_s`` after the measured window, so that memory under load can be read; these requests are
    not counted. Then, if there is a ``capacity`` phase, a closed loop.
    """

    schedule: Schedule
    pool: Pool = Pool()
    tail_s: float = 0.0
    capacity: CapacityPhase | None = None
    sequence: SequencePlan | None = None
    kind: Literal["open"] = "open"

    def __post_init__(self) -> None:
        if self.tail_s < 0:
            raise ValueError("tail_s must not be negative")

    @property
    def workers(self) -> int:
        """How many tasks can be under way at once."""
        return max(self.pool.max_in_flight, self.capacity.users if self.capacity else 0)

    @property
    def queues(self) -> bool:
        """Whether what finds all workers busy waits instead of being dropped."""
        return self.pool.queue

    @property
    def scheduled_s(self) -> float:
        """How long arrivals are scheduled."""
        return self.schedule.warmup_s + self.schedule.duration_s + self.tail_s

    @property
    def expected_requests(self) -> int:
        """About as many as there will be samples of arrivals."""
        return round(self.schedule.rate_rps * self.scheduled_s * _SPARE_SHARE)


@dataclass(frozen=True, slots=True)
class ClosedLoop:
    """Only a closed loop: each user makes the next request after the last one's answer. ``warmup_s`` does not count."""

    capacity: CapacityPhase
    warmup_s: float = 0.0
    sequence: SequencePlan | None = None
    kind: Literal["closed"] = "closed"

    def __post_init__(self) -> None:
        if self.warmup_s < 0:
            raise ValueError("warmup_s must not be negative")

    @property
    def workers(self) -> int:
        return self.capacity.users

    @property
    def queues(self) -> bool:
        return False

    @property
    def expected_requests(self) -> int:
        """Nobody knows."""
        return 0


@dataclass(frozen=True, slots=True)
class Ramp:
    """Measured steps: the ``first`` one's schedule, then each of ``rates_rps`` for ``step_s``.

    Two steps in a row that the generator did not keep (p99 send lag above ``max_lag_ns``, or an arrival dropped) end
    it: one may be the host's fault. Without a sequence.
    """

    first: Schedule
    rates_rps: tuple[float, ...]
    pool: Pool = Pool()
    step_s: float = 1.5
    max_lag_ns: int = 2_000_000
    kind: Literal["ramp"] = "ramp"

    def __post_init__(self) -> None:
        if not self.rates_rps or min(self.rates_rps) <= 0 or self.step_s <= 0:
            raise ValueError("a ramp needs rates, and step_s must be positive")

    @property
    def workers(self) -> int:
        return self.pool.max_in_flight

    @property
    def queues(self) -> bool:
        return self.pool.queue

    @property
    def sequence(self) -> SequencePlan | None:
        return None

    @property
    def expected_requests(self) -> int:
        """Of the first step: it alone has to have room beforehand."""
        return round(self.first.rate_rps * (self.first.warmup_s + self.first.duration_s) * _SPARE_SHARE)


@dataclass(frozen=True, slots=True)
class Replay:
    """The first ``requests`` of ``sequence`` in order, on ``users`` connections, each as soon as its turn comes.

    The first ``warmup`` of them do not count. With ``miss_bytes_per_s`` (0: no limit) the next request waits for as
    long after a miss as its body takes at that rate, so that a cache which makes room now and then never has much too
    much.
    """

    sequence: SequencePlan
    requests: int
    warmup: int = 0
    users: int = 1
    miss_bytes_per_s: float = 0.0
    kind: Literal["replay"] = "replay"

    def __post_init__(self) -> None:
        if not 0 <= self.warmup < self.requests or self.users < 1:
            raise ValueError("a replay needs a user, and more requests than do not count")
        if self.miss_bytes_per_s < 0:
            raise ValueError("miss_bytes_per_s must not be negative")

    @property
    def workers(self) -> int:
        return self.users

    @property
    def queues(self) -> bool:
        return False

    @property
    def expected_requests(self) -> int:
        return self.requests

    def limit_s(self, *, far: bool) -> float:
        """How long it may take: for each request of a connection 1 s where services are ``far``, else 0.1 s.

        With ``miss_bytes_per_s`` twice as long besides as all objects take that are of the catalogue's mean size.
        """
        paced_s = 0.0
        if self.miss_bytes_per_s:
            paced_s = 2 * self.requests * self.sequence.catalogue.mean_bytes / self.miss_bytes_per_s
        return _PREPARE_S + self.requests / self.users * (_FAR_S if far else _NEAR_S) + paced_s


Load = Annotated[OpenLoop | ClosedLoop | Ramp | Replay, Field(discriminator="kind")]
"""``kind`` tells them apart in JSON, and only there."""


def prepare_limit_s(requests: int, users: int) -> float:
    """How long what is made before the load may take: 1 s for each request of a connection that fills a cache."""
    return _PREPARE_S + requests / users * _FAR_S
