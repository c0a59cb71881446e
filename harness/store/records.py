"""What a trial leaves behind, raw: the lines of the journal. Summaries are recomputed from these and the samples.

Every ``*_ns`` is nanoseconds: a point of the host's monotonic clock, or a duration where the name says so. Memory is in
bytes. History of the schema: 1, the first; 2, sets of services: instances, events, several artifacts; 3,
regions, caches and sequences.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from harness.store.cdn_records import CacheRecord, CoreRecord, OriginCount, ReplayRecord, RttRecord
from harness.store.record import Record

SCHEMA = 3


class VariantId(Record):
    """Which variant. ``name`` is unique in the campaign; the second of an A/A pair is ``<variant>-aa``."""

    name: str
    workload: str
    topology: str = "single"
    target: str
    front: str = "direct"
    replicas: int = 1
    cache_share: float | None = None
    aa: bool = False


class Phase(Record):
    """``after_ns`` is the time since the trigger (t0)."""

    name: str
    after_ns: int


class Startup(Record):
    """From the trigger to the last byte of the first correct response.

    Of a set: from its first instance's trigger to the last byte of the first transaction's last correct answer, where
    its topology has one, else to the moment when every instance has given its first correct response. The phases are
    then named ``<instance> ready`` and ``first transaction``.
    """

    trigger_ns: int
    total_ns: int
    phases: tuple[Phase, ...]
    attempts: int
    resolution_ns: int
    """The largest gap between two attempts in the last moments before the first response: how exact the figure is."""
    prober_cpu_ns: int


class CgroupMemory(Record):
    anon: int
    file: int
    kernel: int
    page_tables: int
    current: int
    peak: int | None = None


class MemoryView(Record):
    """The ledger at one moment. ``pss`` is by role (``app``, ``shim``, ``proxy``, ``vmm``, ``helper``).

    ``guest_ram_touched`` and ``emulator_cache`` are parts of ``pss["vmm"]``: the guest's RAM that is resident, and
    QEMU's translation cache. ``engine_growth`` is by daemon, since before the launch. ``inside_*`` is the guest's own.
    """

    pss: dict[str, int]
    cgroup: CgroupMemory | None = None
    engine_growth: dict[str, int] = Field(default_factory=dict)
    guest_ram_touched: int | None = None
    emulator_cache: int | None = None
    inside_total: int | None = None
    inside_available: int | None = None


class Cpu(Record):
    """CPU time used by the instance over the measured window."""

    cgroup_ns: int | None
    processes_ns: int
    window_ns: int


class LoadFacts(Record):
    """What the generator did in the measured window. ``target_rps`` is 0 in a replay, which has no schedule."""

    target_rps: float
    window_begin_ns: int
    window_end_ns: int
    scheduled: int
    completed: int
    dropped: int
    errors: int
    unexpected: int
    send_lag_p99_ns: int
    generator_busy: float
    """Share of the window in which the generator's core did work (waiting precisely is not work)."""


class Capacity(Record):
    """A closed loop: ``users`` connections, each sending as soon as it has its answer."""

    users: int
    completed: int
    errors: int
    window_ns: int

    @property
    def rps(self) -> float:
        return self.completed * 1e9 / self.window_ns


class Noise(Record):
    """The host's counters over the measured window."""

    steal_share: float
    throttled_periods: int
    swapped_in_pages: int
    load1: float
    other_busy_share: float
    """CPU time used by processes that are neither the instance's nor the instrument's, as a share of all CPUs."""


class Digests(Record):
    expected: str
    observed: str


class Inside(Record):
    """See harness.targets.api.InsideView."""

    kernel_release: str
    boot_id: str
    uptime_s: float
    visible_processes: int
    sees_host_processes: bool
    devices: int
    hypervisor_bit: bool
    virtualisation: str


class Failure(Record):
    """What happened, what to do, and the failing instance's last log lines."""

    kind: str
    what: str
    remedy: str
    logs: str = ""


class InstanceRecord(Record):
    """One instance of a deployment: a service's, one of several replicas', or the front's.

    ``name`` is unique in the deployment (``payments``, ``svc-2``, ``front``), ``service`` is what it is an instance of.
    ``trigger_after_ns`` is when it was asked for, since the first trigger of all; ``startup`` counts from its own.
    """

    name: str
    service: str
    role: Literal["service", "front"] = "service"
    target: str
    accelerator: str = "none"
    limits_enforced: bool = True
    trigger_after_ns: int = 0
    startup: Startup | None = None
    memory_idle: MemoryView | None = None
    memory_load: MemoryView | None = None
    cpu: Cpu | None = None
    digests: Digests | None = None


class EventRecord(Record):
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


class TrialRecord(Record):
    """One attempt at one trial: what was measured, and whether it counts.

    ``kind``: ``measured``; ``calibration`` (finds a variant's capacity); ``null`` (the null service). A failed trial
    keeps whatever was measured before it failed. ``samples`` is the Parquet file, relative to the campaign's folder.
    Startup, memory, CPU and footprint are the whole deployment's; ``instances`` has each one's. ``artifact_digest`` is
    its services', not its front's: a set's is computed from its services' digests. ``inside`` is the view of the first
    service that clients reach. ``served``: requests that the front passed on before any event, by instance.
    """

    kind: Literal["measured", "calibration", "null"]
    trial: str
    block: int
    position: int
    attempt: int
    variant: VariantId
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
    inside: Inside | None = None
    responses: dict[str, str] = Field(default_factory=dict)
    """``"GET /path"`` to ``"<status> sha256:<hex of the body>"``: the workload's exchanges."""
    footprint: dict[str, int] = Field(default_factory=dict)
    instances: tuple[InstanceRecord, ...] = ()
    events: tuple[EventRecord, ...] = ()
    served: dict[str, int] = Field(default_factory=dict)
    path_checks: dict[str, str] = Field(default_factory=dict)
    """Of a forward proxy, what the client met: ``direct``, what a connection past the proxy came to (``EHOSTUNREACH``,
    ``timed out``, …; ``connected`` and ``ECONNREFUSED`` where it is open), and ``forbidden``, the proxy's status for a
    destination that is not allowed."""
    propagation_ms: tuple[float, ...] = ()
    """From publishing an event to its being applied, one value per event, by the workload's own endpoint. Only where
    both ends read one kernel's clock."""
    rtts: tuple[RttRecord, ...] = ()
    core: CoreRecord | None = None
    origin: OriginCount | None = None
    caches: tuple[CacheRecord, ...] = ()
    replay: ReplayRecord | None = None
    samples: str | None = None

    @property
    def valid(self) -> bool:
        return self.outcome == "ok" and not self.invalid
