"""The contract of targets and instances. The contract suite (``tests/system/targets``) holds every target to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.artifacts.api import Artifact, User
from harness.clock import Stopwatch
from harness.errors import DeployError
from harness.host.cgroup import CgroupReader
from harness.host.facts import HostFacts
from harness.lab.api import LabAddress
from harness.records.instance import Footprint as Footprint
from harness.records.instance import InsideView as InsideView
from harness.records.memory import GuestMemory as GuestMemory
from harness.spec.service import Limits, Readiness, ServiceSpec

PROBE_PERIOD_NS = 900_000
"""Somewhat below 1 ms, so that with the wake-up's delay attempts stay at most 1 ms apart."""

END_GRACE_S = 10.0
"""How long a service that is asked to end may take before it is killed, as Docker has it."""


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


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a target can be used on this host; if not, why, and the exact command that fixes it."""

    usable: bool
    reason: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True)
class InstanceProcess:
    """A host process that exists because of the instance.

    ``role``: ``app`` (the service's own), ``shim`` (containerd-shim), ``proxy`` (docker-proxy), ``vmm`` (QEMU),
    ``helper`` (anything else).
    """

    pid: int
    role: str
    name: str


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something of ours that outlived its run. ``remove`` is idempotent and raises TareError if it cannot."""

    kind: str
    name: str
    remove: Callable[[], None]


def require_one_replica(service: Service, target: str) -> None:
    """Raises DeployError for a service of several replicas on a target that has no orchestrator."""
    if service.replicas != 1:
        raise DeployError(
            f"Target {target} launches one instance, not {service.replicas} replicas.",
            "Launch several and put a front before them, or use an orchestrator: swarm.",
        )


class Instance(ABC):
    """A service running on a target: a context manager that is stopped on the way out."""

    address: LabAddress
    accelerator: str = "none"
    limits_enforced: bool = True
    """False where the host does not let us enforce them (no control groups without root): the report says so."""

    @abstractmethod
    def processes(self) -> Sequence[InstanceProcess]:
        """The host's processes that exist because of this instance, now. Empty once it has stopped."""

    @property
    @abstractmethod
    def cgroup(self) -> CgroupReader | None:
        """The control group that holds the instance, or None where it has none."""

    @abstractmethod
    def alive(self) -> bool:
        """Whether the service (or the guest that carries it) has not ended."""

    @abstractmethod
    def logs(self) -> str:
        """What the service printed so far (for a VM also the console), newest last. Works after ``stop`` too."""

    @abstractmethod
    def content_digest(self) -> str:
        """The digest of the tree that this running instance was packaged from, recomputed from the packaging itself."""

    @abstractmethod
    def inside(self) -> InsideView:
        """What can be seen from inside, now."""

    def guest_memory(self) -> GuestMemory | None:
        """What the guest's kernel says of its memory now, asked quickly; None where the kernel is the host's."""
        return None

    @abstractmethod
    def kill(self) -> None:
        """The service dies at once: SIGKILL for every process of it, or its machine loses its power. Idempotent.

        Afterwards it is not alive and has no processes. What it wrote to its own file system stays, and so do its
        place in the lab and its limits, until ``stop``. Raises DeployError if it cannot be killed.
        """

    @abstractmethod
    def end(self, grace_s: float = END_GRACE_S) -> None:
        """The same in order: the service is asked to end (SIGTERM), and killed after ``grace_s``. Idempotent."""

    @abstractmethod
    def start_again(self, clock: Stopwatch) -> None:
        """Start it in the same place once it has ended: address, limits, file system as it was left, log going on.

        Stamps the phases that a later start has in common with a launch, t0 as there, on a ``clock`` of its own. May be
        called after every end of the service. Raises DeployError if it has not ended or cannot be started.
        """

    @abstractmethod
    def stop(self) -> None:
        """Stop it and remove everything made for it. Idempotent. Raises DeployError if anything of it survives."""

    def _require_its_end(self, *, stopped: bool) -> None:
        """Raises DeployError if it runs, or was ``stopped`` and so has nothing left to be started."""
        if stopped or self.alive():
            state = "was stopped for good" if stopped else "still runs"
            raise DeployError(f"{self.address.prefix} cannot be started again: it {state}.", "Kill or end it first.")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


class Target(ABC):
    """A deployment model. One object serves a whole campaign; it may be used for many launches, one after another."""

    name: str
    summary: str
    """One line for ``tare doctor``: what a service on this target is."""

    engine_processes: Sequence[str] = ()
    """Names of the daemons that carry this target's instances; their growth is a line of its own in the ledger."""

    takes_embedded: bool = False
    """Whether it can run an artifact that has no root file system of its own (``Artifact.embedded``)."""

    orchestrates: bool = False
    """Whether one launch gives all replicas of a service, which this target then keeps running and spreads."""

    shared_parts: frozenset[str] = frozenset()
    """Parts of the footprint that all instances on a host share, whatever they are deployed from."""

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

    @abstractmethod
    def launch(self, service: Service, at: LabAddress, clock: Stopwatch, scratch: Path) -> Instance:
        """Ask for an instance and return it as soon as it exists; readiness is the prober's business.

        Calls ``clock.start()`` immediately before the first call that asks for the instance; joining the lab's network
        and staging the packaging come before it and are untimed. Stamps the target's phases on ``clock``, some of
        them possibly after it returned. ``scratch`` is an existing folder for this instance's files, which outlives it.
        On any failure everything made so far is removed and DeployError is raised, with logs as notes. So it
        is for several replicas where the target has no orchestrator.
        """

    def close(self) -> None:  # noqa: B027 - most targets keep nothing
        """The campaign has ended: leave what ``prepare`` entered for all its launches. Idempotent."""

    @abstractmethod
    def leftovers(self, prefix: str) -> Sequence[Leftover]:
        """What launches of killed runs left behind, by names that begin with ``prefix``. Empty without the engine."""
