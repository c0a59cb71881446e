"""What a campaign is, once: everything needed to know what was run, and to resume it."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.records.capabilities import Capabilities
from harness.records.host import HostRecord
from harness.records.variant import Variant

SCHEMA = 4
"""The form in which records are written. 1: the first. 2, sets of services: instances, events, several artifacts. 3,
regions, caches and sequences. 4, records as what measures returns them: a guest's memory and a footprint are objects.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnavailableTarget:
    """A target, or a proxy, that this host cannot have: why, and what to do."""

    target: str
    reason: str
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactRecord:
    """What a service, or a proxy, was deployed from."""

    digest: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The campaign. ``schema_version``: of the form in which it and its trials are written."""

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
    """By service; a proxy's name is ``proxy:<name>``."""
    routes: dict[str, dict[str, str]] = field(default_factory=dict)
    """By topology: path prefixes to the services that answer below them."""
    artifact_embedded: bool
    workload_folder: str | None = None
    """The workload's folder, relative to the campaign's, which a resume needs again; None for an image."""
    variants: tuple[Variant, ...]
    unavailable: tuple[UnavailableTarget, ...] = ()
    capabilities: Capabilities
    """What the targets and the kinds of proxy can do that were registered."""
    prepare_s: dict[str, float] = field(default_factory=dict)
    """Seconds that the untimed preparation took, by target: outside every figure, and reported apart."""

    @property
    def tag(self) -> str:
        """The last, random part of the campaign's name: what the names of everything it makes begin with."""
        return self.campaign.rpartition("-")[2]
