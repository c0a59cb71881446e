"""Target ``container``: the service as a Docker container (runc), on the lab's bridge and published to nobody.

The network (user-defined, internal, on the existing bridge) is made before t0. What is timed is ``create`` and
``start`` of one container, as ``docker run`` does them. No privileges are added and ``no-new-privileges`` is set.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import docker
from docker.types import EndpointConfig

from harness.artifacts.api import Artifact
from harness.artifacts.packagings import image
from harness.clock import Stopwatch
from harness.errors import DeployError
from harness.host.facts import HostFacts
from harness.lab.api import LabAddress
from harness.targets.api import Availability, Footprint, Instance, Leftover, Service, Staged, Target
from harness.targets.docker.engine import (
    ENGINE_FAILURES,
    LABEL,
    client,
    leftover,
    refused,
    removal_told,
    remove_container,
    remove_network,
)
from harness.targets.docker.instance import ContainerInstance
from harness.targets.docker.network import join_network, network_of, reach_other_regions
from harness.targets.docker.orphans import end_processes_of
from harness.units import MIB


class ContainerTarget(Target):
    """The service as a Docker container."""

    name = "container"
    summary = "a Docker container (runc) with its own namespaces and control group"
    family = "container"
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
