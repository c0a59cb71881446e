"""What one run of the generator does: plain data that travels to its process as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel

from harness.load.plan.arrivals import Arrivals
from harness.load.plan.parts import (
    MAX_REGIONS,
    OutcomeWords,
    RegionPlan,
    SequencePlan,
    check_place,
    check_routes,
)
from harness.load.recorder import CACHE_WORDS
from harness.spec.route import Route

__all__ = ["LoadPlan", "Mode", "RegionPlan", "SequencePlan"]

PLAN_ENV = "TARE_LOAD_PLAN"
"""Names the plan's file to the process that Locust runs in. Without it a locustfile is an ordinary one."""
EVENTS_ENV = "TARE_LOAD_EVENTS_FD"
"""Names the descriptor that the generator's process writes its events to."""

Mode = Literal["open", "closed", "ramp", "replay"]

_PREPARE_S = 60.0
_ROUND_S = 1.0
"""How long a request to another continent may take that is passed on from there: two handshakes and two answers."""
_NEAR_S = 0.1


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """One run of the generator against the places that ``routes`` lead to: the longest prefix of a path decides.

    ``tls_ca``
        The absolute path of a PEM file. With it every connection speaks TLS, and what answers must have a certificate
        for its IP address from an authority in that file.

    ``proxy``
        IP address and port of a forward proxy: every request goes there, in absolute form, for the route's place.

    ``mode``
        ``open``: arrivals by the schedule for ``warmup_s`` + ``duration_s`` + ``tail_s``; then, if ``capacity_s`` is
        not 0, a closed loop of ``closed_users`` for that long. ``closed``: only a closed loop, ``warmup_s`` uncounted
        and then ``duration_s``. ``ramp``: after ``warmup_s`` at ``rate_rps``, measured steps: ``rate_rps`` for
        ``duration_s``, then each of ``ramp_rps`` for ``ramp_step_s``; two steps in a row that the generator did
        not keep (p99 send lag above ``ramp_max_lag_ns``, or an arrival dropped) end it: one may be the host's fault.
        ``replay``: the first ``replay_requests`` of ``sequence`` in order, on ``replay_users`` connections, each as
        soon as its turn comes; the first ``replay_warmup`` of them do not count. ``rate_rps`` and ``duration_s`` mean
        nothing then. With ``miss_bytes_per_s`` (0: no limit) the next request waits for as long after a miss as its
        body takes at that rate, so that a cache which makes room now and then never has much too much.

    ``locustfile``
        An absolute path, or None for GETs of ``path`` that expect ``status`` and, if given, ``body_sha256`` (hex).

    ``tail_s``
        The load goes on after the window, so that memory under load can be read; these requests are not counted.

    ``max_in_flight``
        An arrival that finds so many tasks under way is recorded as dropped; it never waits.

    ``queue``
        Instead of being dropped such an arrival waits its turn, in order. Its latency still counts from the intended
        time and its send lag shows the wait, so this is a model of a client with a bounded pool of connections, not a
        way round the validity rule on send lag.

    ``samples``
        The absolute path of the binary sample file; its JSON sidecar lies beside it (harness.load.recorder).

    ``regions``
        Where the clients stand, if not all in one place; ``routes`` is then the first one's first entry. Each arrival's
        region is drawn by weight. Where a connection is refused, breaks or is silent, the clients of its region go to
        the next entry for ``failover_s``; the request itself is an error.

    ``sequence``
        The objects that the workload's tasks ask for. ``prefill``: so many requests of it, those before its ``start``,
        are made before the load, of every home region's nearest entry, with ``closed_users`` connections to each; they
        are not recorded.

    ``outcome_header``
        How a response tells what a cache made of the request; None: nothing does.
    """

    routes: tuple[Route, ...]
    samples: str
    rate_rps: float
    duration_s: float
    tls_ca: str | None = None
    proxy: tuple[str, int] | None = None
    locustfile: str | None = None
    path: str = "/"
    status: int = 200
    body_sha256: str | None = None
    mode: Mode = "open"
    arrivals: Arrivals = "poisson"
    seed: int = 1
    warmup_s: float = 0.0
    tail_s: float = 0.0
    capacity_s: float = 0.0
    closed_users: int = 8
    max_in_flight: int = 128
    queue: bool = False
    timeout_s: float = 10.0
    ramp_rps: tuple[float, ...] = ()
    ramp_step_s: float = 1.5
    ramp_max_lag_ns: int = 2_000_000
    regions: tuple[RegionPlan, ...] = ()
    failover_s: float = 5.0
    sequence: SequencePlan | None = None
    prefill: int = 0
    replay_requests: int = 0
    replay_warmup: int = 0
    replay_users: int = 1
    miss_bytes_per_s: float = 0.0
    outcome_header: OutcomeWords | None = None

    def __post_init__(self) -> None:
        if self.rate_rps <= 0 or self.duration_s <= 0 or self.timeout_s <= 0:
            raise ValueError("rate_rps, duration_s and timeout_s must be positive")
        if min(self.warmup_s, self.tail_s, self.capacity_s) < 0:
            raise ValueError("warmup_s, tail_s and capacity_s must not be negative")
        if self.max_in_flight < 1 or self.closed_users < 1:
            raise ValueError("max_in_flight and closed_users must be at least 1")
        paths = [path for path in (self.samples, self.locustfile, self.tls_ca) if path is not None]
        if not all(Path(path).is_absolute() for path in paths):
            raise ValueError(
                "samples, locustfile and tls_ca must be absolute paths: the generator has its own working folder"
            )
        if (self.mode == "ramp") != bool(self.ramp_rps):
            raise ValueError("ramp_rps belongs to mode 'ramp', which needs it")
        check_routes(self.routes)
        if self.proxy:
            check_place(*self.proxy)
        self._check_regions()
        self._check_sequence()

    def _check_regions(self) -> None:
        if self.failover_s <= 0:
            raise ValueError("failover_s must be positive")
        if not self.regions:
            return
        if self.proxy:
            raise ValueError("clients in regions use no forward proxy: it stands in one of them")
        if len({region.name for region in self.regions}) != len(self.regions) or len(self.regions) > MAX_REGIONS:
            raise ValueError(f"regions need names of their own, and there are at most {MAX_REGIONS}")
        if not any(region.weight for region in self.regions):
            raise ValueError("some region must have a weight")
        if self.routes != self.regions[0].entries[0]:
            raise ValueError("with regions, routes must be the first region's first entry")

    def _check_sequence(self) -> None:
        replayed = (self.replay_requests, self.replay_warmup, self.replay_users, self.miss_bytes_per_s)
        if self.mode != "replay" and replayed != (0, 0, 1, 0.0):
            raise ValueError("what begins with replay_, and miss_bytes_per_s, belong to mode 'replay'")
        if self.miss_bytes_per_s < 0 or (self.miss_bytes_per_s and self.outcome_header is None):
            raise ValueError("miss_bytes_per_s must not be negative, and needs an outcome_header")
        if self.mode == "replay" and not (0 <= self.replay_warmup < self.replay_requests and self.replay_users >= 1):
            raise ValueError("a replay needs a user, and more requests than do not count")
        start = 0 if self.sequence is None else self.sequence.start
        if not 0 <= self.prefill <= start:
            raise ValueError("prefill must not be more than the requests before the sequence's start")
        if self.mode == "replay" and self.sequence is None:
            raise ValueError("a replay needs a sequence")
        for _, word in self.outcome_header[1] if self.outcome_header else ():
            if word not in CACHE_WORDS:
                raise ValueError(f"{word!r} is not one of {', '.join(CACHE_WORDS)}")

    @property
    def open_s(self) -> float:
        """How long the schedule of an open loop is."""
        return self.warmup_s + self.duration_s + self.tail_s

    @property
    def workers(self) -> int:
        """How many tasks can be under way at once."""
        if self.mode == "closed":
            return self.closed_users
        if self.mode == "replay":
            return self.replay_users
        return max(self.max_in_flight, self.closed_users if self.capacity_s else 0)

    @property
    def prepare_limit_s(self) -> float:
        """How long what is made before the load may take: 1 s for each request of a connection that fills a cache."""
        return _PREPARE_S + self.prefill / self.closed_users * _ROUND_S

    @property
    def replay_limit_s(self) -> float:
        """How long a replay may take: for each request of a connection 1 s with regions, 0.1 s without.

        With ``miss_bytes_per_s`` twice as long besides as all objects take that are of the catalogue's mean size.
        """
        each_s = _ROUND_S if self.regions else _NEAR_S
        paced_s = 0.0
        if self.miss_bytes_per_s and self.sequence is not None:
            paced_s = 2 * self.replay_requests * self.sequence.catalogue.mean_bytes / self.miss_bytes_per_s
        return _PREPARE_S + self.replay_requests / self.replay_users * each_s + paced_s

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, default=_plain)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The plan that ``to_json`` wrote. Raises ValueError for anything else."""
        data = json.loads(text)
        if not isinstance(data, dict) or set(data) - {field.name for field in fields(cls)}:
            raise ValueError("not a load plan")
        data["routes"] = tuple(Route(**route) for route in data.get("routes", ()))
        data["proxy"] = tuple(data["proxy"]) if data.get("proxy") else None
        data["ramp_rps"] = tuple(data.get("ramp_rps", ()))
        data["regions"] = tuple(RegionPlan.of(region) for region in data.get("regions", ()))
        data["sequence"] = SequencePlan.of(data["sequence"]) if data.get("sequence") else None
        if header := data.get("outcome_header"):
            data["outcome_header"] = (header[0], tuple((begins, word) for begins, word in header[1]))
        return cls(**data)


def _plain(value: object) -> dict[str, Any]:
    """A specification as JSON knows it."""
    if not isinstance(value, BaseModel):
        raise TypeError(f"not plain data: {value!r}")
    return value.model_dump()
