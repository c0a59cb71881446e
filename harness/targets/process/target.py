"""Target ``process``: the service as a plain process of this host, in its own root directory and control group.

As root: chroot into an overlay over the unpacked tree (so that nothing a run writes reaches the artifact), its own
control group for the limits, and a network namespace so that it is reached over the lab's bridge like every other
variant. All of that is staged before t0, and the service is born in it; what is timed is what a bare process costs: a
fork and an exec by a small resident parent. That parent is in none of it: the control group holds the service and its
descendants alone. Without root: the app tree on this host's interpreter, over loopback, its limits not enforced.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from harness.artifacts.api import Artifact
from harness.artifacts.digest import tree_digest
from harness.artifacts.packagings.directory import ensure_directory
from harness.clock import Stopwatch
from harness.errors import DeployError
from harness.host.cgroups import detect as cgroup
from harness.host.facts import HostFacts
from harness.host.processes import ask_to_end, born, end
from harness.lab.api import LabAddress
from harness.targets.api import (
    Availability,
    Footprint,
    InsideView,
    Instance,
    InstanceProcess,
    Leftover,
    Service,
    Staged,
    Target,
)
from harness.targets.inside import look_inside
from harness.targets.layers import packaged_tree
from harness.targets.process.spawning import Spawner, command, session, session_has_ended
from harness.targets.process.staging import disk_usage, embedded_stage, rooted_stage


class ProcessTarget(Target):
    """The service as a process of this host."""

    name = "process"
    summary = "a process of this host, in the artifact's own root directory"
    family = "process"
    takes_embedded = True

    def available(self, host: HostFacts) -> Availability:
        if host.root and not host.cgroup_writable:
            return Availability(
                False, "no control group can be made on this host", "mount -t cgroup2 none /sys/fs/cgroup"
            )
        if host.root:
            return Availability(True)
        return Availability(
            True, "embedded: without root it runs the app tree on this host's own interpreter, over loopback"
        )

    def prepare(self, artifact: Artifact) -> None:
        if not artifact.embedded:
            ensure_directory(artifact)

    def footprint(self, artifact: Artifact) -> Footprint:
        return Footprint({"directory": disk_usage(artifact.directory)})

    def _stage(self, service: Service, at: LabAddress, scratch: Path, undo: ExitStack) -> Staged:
        stage = embedded_stage if at.bridge is None else rooted_stage
        order, group = stage(service, at, undo)
        order["log"] = str(scratch / "service.log")
        spawner = Spawner(order)
        undo.callback(spawner.close)
        return StagedProcess(service, at, spawner, group, undo)

    def leftovers(self, prefix: str) -> Sequence[Leftover]:  # noqa: ARG002 - the contract's
        """Nothing beyond what every target may leave: a killed spawner takes its service with it."""
        return ()


class StagedProcess(Staged):
    """A spawner that waits, and a place for its service to be born in."""

    def __init__(
        self, service: Service, at: LabAddress, spawner: Spawner, group: cgroup.OwnCgroup | None, undo: ExitStack
    ) -> None:
        super().__init__(at, undo)
        self._service = service
        self._spawner = spawner
        self._group = group

    def _start(self, clock: Stopwatch) -> Instance:
        pid = _spawn(self._spawner, clock)
        return ProcessInstance(self._service, self.address, self._spawner, pid, self._group)


def _spawn(spawner: Spawner, clock: Stopwatch) -> int:
    pid, spawned_ns = spawner.start()
    clock.stamp("spawned", spawned_ns)
    return pid


class ProcessInstance(Instance):
    """A process in its own session, control group, root and network namespace."""

    def __init__(
        self,
        service: Service,
        at: LabAddress,
        spawner: Spawner,
        pid: int,
        group: cgroup.OwnCgroup | None,
    ) -> None:
        self.address = at
        self.limits_enforced = group is not None
        self._service = service
        self._spawner = spawner
        self._pid = pid
        self._group = group
        self._down = False

    def processes(self) -> Sequence[InstanceProcess]:
        pids = self._group.reader.pids() if self._group else session(self._pid)
        return [InstanceProcess(pid, "app", command(pid)) for pid in pids]

    @property
    def cgroup(self) -> cgroup.CgroupReader | None:
        return self._group.reader if self._group else None

    def alive(self) -> bool:
        return not self._down and self._spawner.ended() is None

    def logs(self) -> str:
        log = Path(self._spawner.order["log"])
        text = log.read_text("utf-8", "replace") if log.exists() else ""
        ended = self._spawner.ended()
        return text if ended is None else f"{text}\n(the service ended with exit code {ended})"

    def content_digest(self) -> str:
        if self.address.bridge is None:
            return tree_digest(self._service.artifact.directory)
        with packaged_tree(self._pid) as tree:
            return tree_digest(tree)

    def inside(self) -> InsideView:
        return look_inside(self._pid)

    def _kill(self) -> None:
        """Its whole session, and whatever else is in its control group."""
        self._down = True
        self._spawner.close()
        for pid, since in born(session(self._pid)):
            end(pid, since)
        if self._group and not self._stopped:
            self._group.kill()
        self._prove_its_end()

    def _terminate(self, grace_s: float) -> None:
        """SIGTERM goes to the service's first process, as from an engine or a shell."""
        if self.alive():
            for pid, since in born([self._pid]):
                ask_to_end(pid, since, grace_s)
        self._kill()

    def _stage_again(self, until_started: ExitStack) -> None:  # noqa: ARG002 - the spawner stays as long as the service
        """A new spawner is made ready before t0: it stands for an init system, which would be there already."""
        self._kill()
        self._spawner = Spawner(self._spawner.order)

    def _restart(self, clock: Stopwatch) -> None:
        self._pid = _spawn(self._spawner, clock)
        self._down = False

    def _stop(self) -> None:
        self._down = self._stopped = True
        self._spawner.close()
        self._undo.close()
        self._prove_its_end()

    def _prove_its_end(self) -> None:
        if not session_has_ended(self._pid):
            raise DeployError(
                f"Processes of {self.address.prefix} survived it.", "Look at them: ps -ef; then: tare sweep"
            )
