"""The contract of targets, and the face of the room: whoever deals with targets and instances imports from here.

The contract suite (``tests/system/targets``) holds every target to it. A service is launched in two steps:
``Target.stage`` does what is untimed, ``Staged.start`` takes t0 and asks for the instance.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from harness.artifacts.api import Artifact, User
from harness.errors import DeployError
from harness.host.facts import HostFacts
from harness.lab.api import LabAddress
from harness.records.capabilities import Family, TargetCapabilities
from harness.records.instance import Footprint, InsideView
from harness.records.memory import GuestMemory
from harness.spec.service import Limits, Readiness, ServiceSpec
from harness.targets.facts import Availability, InstanceProcess, Leftover
from harness.targets.instance import END_GRACE_S, Instance
from harness.targets.staged import Staged, undone_on_failure

__all__ = [
    "END_GRACE_S",
    "PROBE_PERIOD_NS",
    "Availability",
    "Footprint",
    "GuestMemory",
    "InsideView",
    "Instance",
    "InstanceProcess",
    "Leftover",
    "Service",
    "Staged",
    "Target",
]

PROBE_PERIOD_NS = 900_000
"""Somewhat below 1 ms, so that with the wake-up's delay attempts stay at most 1 ms apart."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Service:
    """One deployable unit, resolved: nothing in it depends on the target.

    ``cpuset`` are the host's CPUs that the instance may use; the load generator never runs on them. ``replicas``: more
    than one only where an orchestrator keeps them; the limits are each one's.
    """

    name: str
    artifact: Artifact
    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    workdir: str
    user: User
    port: int
    ready: Readiness
    limits: Limits
    cpuset: frozenset[int]
    replicas: int = 1

    @classmethod
    def of(cls, artifact: Artifact, spec: ServiceSpec, limits: Limits, cpuset: frozenset[int]) -> Self:
        """The artifact's own configuration, which has ``spec``'s overrides in it already, with ``spec``'s port."""
        config = artifact.config
        return cls(
            name=artifact.name,
            artifact=artifact,
            argv=config.argv,
            env=config.env,
            workdir=config.workdir,
            user=config.user,
            port=spec.port,
            ready=spec.ready,
            limits=limits,
            cpuset=cpuset,
        )


class Target(ABC):
    """A deployment model. One object serves a whole campaign; it serves many launches."""

    name: str
    summary: str
    """One line for ``tare doctor``: what a service on this target is."""

    family: ClassVar[Family]
    """What carries a service: claims compare one family with another."""

    engine_processes: Sequence[str] = ()
    """Names of the daemons that carry this target's instances; their growth is a line of its own in the ledger."""

    takes_embedded: bool = False
    """Whether it can run an artifact that has no root file system of its own (``Artifact.embedded``)."""

    orchestrates: bool = False
    """Whether one launch gives all replicas of a service, which this target then keeps running and spreads."""

    shared_parts: frozenset[str] = frozenset()
    """Parts of the footprint that all instances on a host share, whatever they are deployed from."""

    @classmethod
    def capabilities(cls) -> TargetCapabilities:
        """What a campaign's manifest keeps of it."""
        return TargetCapabilities(cls.family, cls.orchestrates)

    @property
    def probe_period_ns(self) -> int:
        """How far apart the startup prober's attempts are: as long as they cost the instance next to nothing."""
        return PROBE_PERIOD_NS

    @abstractmethod
    def available(self, host: HostFacts) -> Availability:
        """Never raises: usable, or why not and how to fix it."""

    @abstractmethod
    def prepare(self, artifact: Artifact) -> None:
        """Everything slow and untimed: derive the packaging from the artifact. Idempotent. Raises BuildError."""

    @abstractmethod
    def footprint(self, artifact: Artifact) -> Footprint:
        """What the prepared packaging occupies on disk."""

    def stage(self, service: Service, at: LabAddress, scratch: Path) -> Staged:
        """Do what comes before t0: join the lab's network, lay out the packaging, make everything that is untimed.

        ``scratch`` is an existing folder for this instance's files, which outlives it. Raises DeployError, with logs as
        notes, and for several replicas where the target has no orchestrator; then everything made so far is removed.
        """
        if service.replicas != 1 and not self.orchestrates:
            raise DeployError(
                f"Target {self.name} launches one instance, not {service.replicas} replicas.",
                "Launch several and put a proxy before them, or use an orchestrator: swarm.",
            )
        log.debug("%s: staging %s on %s", at.prefix, service.name, self.name)
        undo = ExitStack()
        with undone_on_failure(undo, at, "staging"):
            staged = self._stage(service, at, scratch, undo)
        log.info("%s: staged %s on %s", at.prefix, service.name, self.name)
        return staged

    @abstractmethod
    def _stage(self, service: Service, at: LabAddress, scratch: Path, undo: ExitStack) -> Staged:
        """See ``stage``. What removes a thing is entered on ``undo`` before the thing is made; Staged gets ``undo``."""

    def close(self) -> None:  # noqa: B027 - most targets keep nothing
        """The campaign has ended: leave what ``prepare`` entered for all its launches. Idempotent."""

    @abstractmethod
    def leftovers(self, prefix: str) -> Sequence[Leftover]:
        """What launches of killed runs left behind, by names that begin with ``prefix``. Empty without the engine."""
