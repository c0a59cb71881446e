"""What one run of the generator does: plain data that travels to its process as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from ipaddress import IPv4Address
from pathlib import Path
from typing import Literal, Self

from harness.load.schedule import Arrivals
from harness.spec.route import Route

PLAN_ENV = "TARE_LOAD_PLAN"
"""Names the plan's file to the process that Locust runs in. Without it a locustfile is an ordinary one."""
EVENTS_ENV = "TARE_LOAD_EVENTS_FD"
"""Names the descriptor that the generator's process writes its events to."""

Mode = Literal["open", "closed", "ramp"]


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
        if not self.routes or len({route.prefix for route in self.routes}) != len(self.routes):
            raise ValueError("routes must lead somewhere, and no prefix to two places")
        if not all(route.prefix.startswith("/") for route in self.routes):
            raise ValueError("a route's prefix must begin with /")
        places = [(route.ip, route.port) for route in self.routes]
        for ip, port in [*places, self.proxy] if self.proxy else places:
            # Refuses a name, which the generator would resolve while it sends.
            IPv4Address(ip)
            if not 0 < port < 65536:
                raise ValueError(f"{ip}:{port} is no address")

    @property
    def open_s(self) -> float:
        """How long the schedule of an open loop is."""
        return self.warmup_s + self.duration_s + self.tail_s

    @property
    def workers(self) -> int:
        """How many tasks can be under way at once."""
        if self.mode == "closed":
            return self.closed_users
        return max(self.max_in_flight, self.closed_users if self.capacity_s else 0)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The plan that ``to_json`` wrote. Raises ValueError for anything else."""
        data = json.loads(text)
        if not isinstance(data, dict) or set(data) - {field.name for field in fields(cls)}:
            raise ValueError("not a load plan")
        data["routes"] = tuple(Route(**route) for route in data.get("routes", ()))
        data["proxy"] = tuple(data["proxy"]) if data.get("proxy") else None
        data["ramp_rps"] = tuple(data.get("ramp_rps", ()))
        return cls(**data)
