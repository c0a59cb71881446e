"""What a campaign leaves behind once: its manifest, its levels, the instrument's floor and the host."""

from __future__ import annotations

from pydantic import Field

from harness.store.record import Record
from harness.store.records import SCHEMA, VariantId


class NullFloor(Record):
    """The instrument's own figures, from the null service: at the campaign's highest rate, and its own limit."""

    rate_rps: float
    latency_p50_ms: float
    latency_p99_ms: float
    service_time_p50_ms: float
    send_lag_p99_ms: float
    highest_rate_rps: float
    """The highest rate tried at which p99 send lag stayed within the limit and no arrival was dropped."""


class Levels(Record):
    """The load levels once they are known: name to arrivals per second, and the capacities they were derived from.

    ``limited_by_generator``: the shares would have given more than half of what the generator can keep.
    """

    rates_rps: dict[str, float]
    capacities_rps: dict[str, float] = Field(default_factory=dict)
    limited_by_generator: bool = False


class UnavailableTarget(Record):
    target: str
    reason: str
    fix: str


class HostRecord(Record):
    """The machine, once per campaign. A value that the host does not tell is "unknown", never guessed."""

    hostname: str
    kernel: str
    boot_id: str
    os: str
    cpu_model: str
    cpus: int
    memory_total: int
    swap_total: int
    cgroup_version: str
    governor: str
    turbo: str
    smt: str
    virtualisation: str
    accelerator: str
    accelerator_reason: str
    ksm: str
    thp: str
    root: bool
    process_count: int
    engines: dict[str, str] = Field(default_factory=dict)
    """``docker``, ``libvirt``, ``qemu``, ``containerd``, ``runc`` … to a version."""


class ArtifactRecord(Record):
    """What a service, or a front, was deployed from."""

    digest: str
    source: str


class Manifest(Record):
    """The campaign, once: everything needed to know what was run, and to resume it."""

    schema_version: int = SCHEMA
    campaign: str
    created_utc: str
    tare_version: str
    tare_commit: str
    command: tuple[str, ...]
    experiment: dict[str, object]
    """The validated experiment, ``[quick]`` applied, as plain data."""
    spec_digest: str
    seed: int
    quick: bool
    host: HostRecord
    generator_cpus: tuple[int, ...]
    service_cpus: tuple[int, ...]
    artifacts: dict[str, ArtifactRecord]
    """By service; a front's name is ``front:<name>``."""
    routes: dict[str, dict[str, str]] = Field(default_factory=dict)
    """By topology: path prefixes to the services that answer below them."""
    artifact_embedded: bool
    workload_folder: str | None = None
    """The workload's folder, relative to the campaign's, which a resume needs again; None for an image."""
    variants: tuple[VariantId, ...]
    unavailable: tuple[UnavailableTarget, ...] = ()
    prepare_s: dict[str, float] = Field(default_factory=dict)
    """Seconds that the untimed preparation took, by target: outside every figure, and reported apart."""

    @property
    def tag(self) -> str:
        """The last, random part of the campaign's name: what the names of everything it makes begin with."""
        return self.campaign.rpartition("-")[2]
