"""Target ``container``: the service as a Docker container (runc), on the lab's bridge and published to nobody.

The network (user-defined, internal, on the existing bridge) is made before t0. What is timed is ``create`` and
``start`` of one container, as ``docker run`` does them. No privileges are added and ``no-new-privileges`` is set.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError
from docker.types import EndpointConfig

from harness.artifacts import image
from harness.artifacts.api import Artifact
from harness.artifacts.digest import tree_digest
from harness.clock import Stopwatch
from harness.errors import DeployError
from harness.host.cgroup import CgroupReader, cgroup_of
from harness.host.facts import HostFacts
from harness.host.processes import born, has_ended
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
from harness.targets.container_engine import (
    ENGINE_FAILURES,
    LABEL,
    client,
    leftover,
    refused,
    removal_told,
    remove_container,
    remove_network,
)
from harness.targets.container_network import join_network, network_of, reach_other_regions
from harness.targets.container_orphans import end_processes_of
from harness.targets.inside import look_inside
from harness.targets.layers import packaged_tree
from harness.targets.spawning import command, parent
from harness.units import MIB


class ContainerTarget(Target):
    """The service as a Docker container."""

    name = "container"
    summary = "a Docker container (runc) with its own namespaces and control group"
    engine_processes = ("dockerd", "containerd")

    def available(self, host: HostFacts) -> Availability:
        if not host.root:
            return Availability(False, "the lab's bridge and namespaces need root", "sudo -E tare run …")
        if host.docker.version is None:
            return Availability(False, f"no Docker Engine answers: {host.docker.reason}", "tare provision")
        return Availability(True)

    def prepare(self, artifact: Artifact) -> None:
        image.ensure_image(artifact)

    def footprint(self, artifact: Artifact) -> Footprint:
        return Footprint({"image": image.image_bytes(artifact)})

    def _stage(self, service: Service, at: LabAddress, scratch: Path, undo: ExitStack) -> Staged:
        if at.bridge is None:
            raise DeployError("A container needs the lab's bridge.", "Run as root: sudo -E tare run …")
        try:
            api = undo.enter_context(client())
            join_network(api, at, undo)
            return StagedContainer(api, _settings(api, service, at), at, scratch, undo)
        except ENGINE_FAILURES as error:
            raise refused("The container could not be started", error) from error

    def leftovers(self, prefix: str) -> Sequence[Leftover]:
        """Containers and networks that carry our label and a name of ours: a stranger's has not both."""
        try:
            with client() as api:
                containers = api.containers(all=True, filters={"label": LABEL})
                networks = api.networks(filters={"label": LABEL})
        except ENGINE_FAILURES:
            return ()
        names = [name.removeprefix("/") for found in containers for name in found["Names"]]
        found = [("container", remove_container, name) for name in names]
        found += [("Docker network", remove_network, network["Name"]) for network in networks]
        return [leftover(kind, name, remove) for kind, remove, name in found if name.startswith(prefix)]


class StagedContainer(Staged):
    """The lab's network, and what the engine will be asked for."""

    def __init__(
        self, api: docker.APIClient, settings: dict[str, Any], at: LabAddress, scratch: Path, undo: ExitStack
    ) -> None:
        super().__init__(at, undo)
        self._api = api
        self._settings = settings
        self._scratch = scratch
        self._container = ""

    def _start(self, clock: Stopwatch) -> Instance:
        try:
            self._undo.callback(_remove, self._api, self.address)
            self._container = container = str(self._api.create_container(**self._settings)["Id"])
            clock.stamp("created")
            self._undo.callback(_end_if_abandoned, self._api, container)
            self._api.start(container)
            clock.stamp("started")
            reach_other_regions(self.address, int(self._api.inspect_container(container)["State"]["Pid"]))
        except ENGINE_FAILURES as error:
            raise refused("The container could not be started", error) from error
        return ContainerInstance(self._api, container, self.address, self._scratch)

    def _logs(self) -> str:
        try:
            return bytes(self._api.logs(self._container)).decode("utf-8", "replace") if self._container else ""
        except ENGINE_FAILURES:
            return ""  # the failure itself says what the engine does not do


class ContainerInstance(Instance):
    """One container. Every question to the engine that fails is a DeployError."""

    def __init__(self, api: docker.APIClient, container: str, at: LabAddress, scratch: Path) -> None:
        self.address = at
        self._api = api
        self._container = container
        self._log = scratch / "service.log"
        self._pid_seen = 0

    def processes(self) -> Sequence[InstanceProcess]:
        if self._stopped or not (pid := self._pid()):
            return []
        group = self.cgroup
        shim = parent(pid)
        found = [InstanceProcess(each, "app", command(each)) for each in (group.pids() if group else (pid,))]
        if shim > 1:
            found.append(InstanceProcess(shim, "shim", command(shim)))
        return found

    @property
    def cgroup(self) -> CgroupReader | None:
        pid = self._pid()
        return cgroup_of(pid) if pid else None

    def alive(self) -> bool:
        return not self._stopped and self._pid() != 0

    def logs(self) -> str:
        if self._stopped:
            return self._log.read_text("utf-8", "replace") if self._log.exists() else ""
        text = self._ask(partial(self._api.logs, self._container)).decode("utf-8", "replace")
        state = self._state()
        if state["Running"]:
            return str(text)
        error = state.get("Error") or "no engine error"
        return f"{text}\n(the container ended with exit code {state['ExitCode']}; {error})"

    def content_digest(self) -> str:
        with packaged_tree(self._running_pid()) as tree:
            return tree_digest(tree)

    def inside(self) -> InsideView:
        return look_inside(self._running_pid())

    def _kill(self) -> None:
        """By the engine, which sends SIGKILL to the container's first process: the kernel ends the others with it."""
        self._end_by(self._api.kill)

    def _terminate(self, grace_s: float) -> None:
        """By the engine, whose grace is whole seconds. A first process that does not handle SIGTERM ignores it."""
        self._end_by(partial(self._api.stop, timeout=math.ceil(grace_s)))

    def _stage_again(self, until_started: ExitStack) -> None:  # noqa: ARG002 - nothing is held
        """The kernel may know of its end before the engine does, which would then start nothing."""
        self._ask(partial(self._api.wait, self._container))

    def _restart(self, clock: Stopwatch) -> None:
        self._ask(partial(self._api.start, self._container))
        clock.stamp("started")
        self._pid_seen = 0
        reach_other_regions(self.address, self._pid())

    def _end_by(self, means: Callable[[str], object]) -> None:
        if not self.alive():
            return
        processes = born(process.pid for process in self.processes())
        try:
            means(self._container)
        except APIError as error:
            # It may have ended by itself meanwhile, which the engine calls a conflict.
            if error.status_code != HTTPStatus.CONFLICT:
                raise refused(f"Container {self.address.prefix} could not be ended", error) from error
        except ENGINE_FAILURES as error:
            raise refused(f"Container {self.address.prefix} could not be ended", error) from error
        self._prove_the_end_of(processes)

    def _stop(self) -> None:
        if self._stopped:
            return
        processes: list[tuple[int, int]] = []
        try:
            processes = born(process.pid for process in self.processes())
            self._log.write_text(self.logs(), "utf-8")
        finally:
            self._stopped = True
            self._undo.close()
        self._prove_the_end_of(processes)

    def _prove_the_end_of(self, processes: Sequence[tuple[int, int]]) -> None:
        if survivors := [str(pid) for pid, since in processes if not has_ended(pid, since)]:
            raise DeployError(
                f"Processes of {self.address.prefix} survived it: {', '.join(survivors)}.", "Look at them: ps -ef"
            )

    def _state(self) -> dict[str, Any]:
        state: dict[str, Any] = self._ask(partial(self._api.inspect_container, self._container))["State"]
        return state

    def _pid(self) -> int:
        """The pid of the container's first process on the host; 0 once it has ended."""
        if not self._pid_seen:
            self._pid_seen = int(self._state()["Pid"])
        return self._pid_seen if Path(f"/proc/{self._pid_seen}").exists() else 0

    def _running_pid(self) -> int:
        if pid := self._pid():
            return pid
        raise DeployError(f"Container {self.address.prefix} has ended.", "Look at the instance's logs.")

    @staticmethod
    def _ask(question: Callable[[], Any]) -> Any:
        try:
            return question()
        except ENGINE_FAILURES as error:
            raise refused("The engine did not answer for a container", error) from error


def _settings(api: docker.APIClient, service: Service, at: LabAddress) -> dict[str, Any]:
    limits = service.limits
    whole = float(limits.cpus).is_integer()
    host_config = api.create_host_config(
        network_mode=network_of(at),
        mem_limit=limits.memory_mib * MIB,
        memswap_limit=limits.memory_mib * MIB,
        cpuset_cpus=",".join(map(str, sorted(service.cpuset))),
        # The cpuset alone limits whole CPUs: a quota on top would only add spurious throttling.
        cpu_period=None if whole else 100_000,
        cpu_quota=None if whole else int(limits.cpus * 100_000),
        security_opt=["no-new-privileges"],
        group_add=[str(group) for group in service.user.groups],
    )
    endpoint = EndpointConfig(api.api_version, ipv4_address=str(at.ip), mac_address=at.mac)
    return {
        "image": service.artifact.image,
        "name": at.prefix,
        "entrypoint": list(service.argv),
        "command": [],
        "environment": dict(service.env),
        "working_dir": service.workdir,
        "user": f"{service.user.uid}:{service.user.gid}",
        "labels": {LABEL: at.prefix},
        "mac_address": at.mac,
        "host_config": host_config,
        "networking_config": {"EndpointsConfig": {network_of(at): endpoint}},
    }


def _remove(api: docker.APIClient, at: LabAddress) -> None:
    with removal_told(f"container {at.prefix}"):
        remove_container(api, at.prefix)


def _end_if_abandoned(api: docker.APIClient, container: str) -> None:
    """A container outlives its engine, and then nobody else would end it."""
    try:
        api.ping()
    except ENGINE_FAILURES:
        end_processes_of(container)
