"""One attempt at one trial: what was measured, and whether it counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from harness.records.cache import CacheRecord, OriginCount
from harness.records.instance import Digests, Footprint, InsideView, InstanceRecord
from harness.records.load import Capacity, LoadFacts, ReplayRecord
from harness.records.memory import MemoryView
from harness.records.network import BackboneRecord, RttRecord
from harness.records.startup import Startup
from harness.records.variant import Variant
from harness.records.window import Cpu, Noise


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What happened, what to do, and the failing instance's last log lines."""

    kind: str
    what: str
    remedy: str
    logs: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """Something that happened to a deployment under load, on the host's clock.

    The load is watched from ``watched_from_ns`` to ``watched_until_ns``. ``begin_ns``: the act began; ``done_ns``: its
    last call returned (a killed instance's start again included). ``recovered_ns``: the first correct response of what
    it happened to, or of the last replica that was asked for; None if there was none before the watch ended, or if none
    was wanted. ``routes``: the path prefixes that lead to it.
    """

    kind: Literal["kill", "restart", "replace", "scale"]
    service: str
    instance: str
    routes: tuple[str, ...]
    watched_from_ns: int
    begin_ns: int
    done_ns: int
    recovered_ns: int | None
    watched_until_ns: int
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecord:
    """One attempt at one trial.

    ``kind``: ``measured``; ``calibration`` (finds a variant's capacity); ``null`` (the null service). A failed trial
    keeps whatever was measured before it failed. ``samples`` is the Parquet file, relative to the campaign's folder.
    Startup, memory, CPU and footprint are the whole deployment's; ``instances`` has each one's. ``artifact_digest`` is
    its services', not its proxy's: a set's is computed from its services' digests. ``inside`` is the view of the first
    service that clients reach. ``served``: requests that the proxy passed on before any event, by instance.
    """

    kind: Literal["measured", "calibration", "null"]
    trial: str
    block: int
    position: int
    attempt: int
    variant: Variant
    level: str
    accelerator: str
    artifact_digest: str
    started_utc: str
    outcome: Literal["ok", "failed"]
    failure: Failure | None = None
    invalid: tuple[str, ...] = ()
    limits_enforced: bool = True
    cpuset: tuple[int, ...] = ()
    startup: Startup | None = None
    memory_idle: MemoryView | None = None
    memory_load: MemoryView | None = None
    cpu: Cpu | None = None
    load: LoadFacts | None = None
    capacity: Capacity | None = None
    noise: Noise | None = None
    digests: Digests | None = None
    inside: InsideView | None = None
    responses: dict[str, str] = field(default_factory=dict)
    """``"GET /path"`` to ``"<status> sha256:<hex of the body>"``: the workload's exchanges."""
    footprint: Footprint = field(default_factory=Footprint)
    instances: tuple[InstanceRecord, ...] = ()
    events: tuple[EventRecord, ...] = ()
    served: dict[str, int] = field(default_factory=dict)
    path_checks: dict[str, str] = field(default_factory=dict)
    """Of a forward proxy, what the client met: ``direct``, what a connection past the proxy came to (``EHOSTUNREACH``,
    ``timed out``, …; ``connected`` and ``ECONNREFUSED`` where it is open), and ``forbidden``, the proxy's status for a
    destination that is not allowed."""
    propagation_ms: tuple[float, ...] = ()
    """From publishing an event to its being applied, one value per event, by the workload's own endpoint. Only where
    both ends read one kernel's clock."""
    rtts: tuple[RttRecord, ...] = ()
    backbone: BackboneRecord | None = None
    origin: OriginCount | None = None
    caches: tuple[CacheRecord, ...] = ()
    replay: ReplayRecord | None = None
    samples: str | None = None

    @property
    def valid(self) -> bool:
        return self.outcome == "ok" and not self.invalid
