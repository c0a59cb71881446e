"""Target ``swarm``: the service as a Docker Swarm service on this one node, its replicas on the lab's bridge.

The engine's swarm mode (entered if it is in none, left when the campaign ends), the networks and the image come before
t0. What is timed is the creation of the service, with everything that the orchestrator does until a replica answers.
Phases: ``created`` (the API's answer), ``container_created`` and ``started`` (the first replica's, by the engine's
events as they arrive). No privileges are added; ``no-new-privileges`` is set where the API has it (from 1.46). The
limits are those of a container, given to each replica between its creation and its start.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import docker

from harness.artifacts.api import Artifact
from harness.artifacts.packagings import image
from harness.clock import Stopwatch
from harness.errors import DeployError
from harness.host.facts import HostFacts
from harness.lab import namespace
from harness.lab.api import LabAddress
from harness.targets.api import Availability, Footprint, Instance, Leftover, Service, Staged, Target
from harness.targets.docker.engine import ENGINE_FAILURES, client, leftover, refused
from harness.targets.docker.orphans import end_processes_of
from harness.targets.swarm import mode as swarm_mode
from harness.targets.swarm.instance import SwarmInstance, require_places
from harness.targets.swarm.removal import prefixes, remove_all, remove_networks, remove_service
from harness.targets.swarm.service import create_service, make_networks
from harness.targets.swarm.watch import SwarmWatch


class SwarmTarget(Target):
    """The service kept by Docker's orchestrator."""

    name = "swarm"
    summary = "a Docker Swarm service on this one node, kept by the orchestrator of the engine"
    family = "container"
    engine_processes = ("dockerd", "containerd")
    orchestrates = True

    def available(self, host: HostFacts) -> Availability:
        if not host.root:
            return Availability(False, "the lab's bridge and namespaces need root", "sudo -E tare run …")
        if host.docker.version is None:
            return Availability(False, f"no Docker Engine answers: {host.docker.reason}", "tare provision")
        try:
            with client() as api:
                state = swarm_mode.state(api)
        except ENGINE_FAILURES as error:
            return Availability(False, f"no Docker Engine answers: {error}", "tare provision")
        if state.get("LocalNodeState") == "inactive":
            return Availability(True, "swarm mode is entered for the run, and left after it")
        if state.get("ControlAvailable"):
            return Availability(True, "in the swarm that the engine is in")
        return Availability(False, "the engine is in a swarm that it does not manage", "docker swarm leave")

    def prepare(self, artifact: Artifact) -> None:
        image.ensure_image(artifact)
        try:
            with client() as api:
                swarm_mode.enter(api)
        except ENGINE_FAILURES as error:
            raise refused("The engine's swarm mode cannot be entered", error) from error

    def footprint(self, artifact: Artifact) -> Footprint:
        return Footprint({"image": image.image_bytes(artifact)})

    def _stage(self, service: Service, at: LabAddress, scratch: Path, undo: ExitStack) -> Staged:
        if at.bridge is None:
            raise DeployError("A swarm service needs the lab's bridge.", "Run as root: sudo -E tare run …")
        require_places(service.replicas, at)
        try:
            api = undo.enter_context(client())
            node = swarm_mode.enter(api)
            undo.callback(_removed, remove_networks, api, at)
            make_networks(api, at)
            watch = SwarmWatch(service, at.prefix, partial(_know, at))
            undo.callback(watch.close)
            return StagedSwarmService(api, service, at, node, watch, scratch, undo)
        except ENGINE_FAILURES as error:
            raise refused("The swarm service could not be created", error) from error

    def close(self) -> None:
        try:
            with client() as api:
                swarm_mode.leave(api)
        except ENGINE_FAILURES as error:
            raise refused("The engine's swarm mode cannot be left", error) from error

    def leftovers(self, prefix: str) -> Sequence[Leftover]:
        """Services, networks and containers by our label and a name of ours; and a swarm that we entered."""
        try:
            with client() as api:
                found = [
                    leftover("swarm service", name, remove_all) for name in prefixes(api) if name.startswith(prefix)
                ]
                if swarm_mode.NAME.startswith(prefix) and swarm_mode.is_ours(api):
                    found.append(leftover("swarm mode", swarm_mode.NAME, _leave))
        except ENGINE_FAILURES:
            return ()
        return found


class StagedSwarmService(Staged):
    """The networks, and somebody who follows what the orchestrator does with the service."""

    def __init__(
        self,
        api: docker.APIClient,
        service: Service,
        at: LabAddress,
        node: str,
        watch: SwarmWatch,
        scratch: Path,
        undo: ExitStack,
    ) -> None:
        super().__init__(at, undo)
        self._api = api
        self._service = service
        self._node = node
        self._watch = watch
        self._scratch = scratch

    def _start(self, clock: Stopwatch) -> Instance:
        api, at = self._api, self.address
        self._watch.clock = clock
        self._undo.callback(_removed, remove_service, api, at)
        self._undo.callback(_end_if_abandoned, api, self._watch)
        try:
            create_service(api, self._service, at, self._node)
        except ENGINE_FAILURES as error:
            raise refused("The swarm service could not be created", error) from error
        clock.stamp("created")
        return SwarmInstance(api, self._service, at, self._watch, self._scratch)


def _leave(api: docker.APIClient, _name: str) -> None:
    swarm_mode.leave(api)


def _removed(remove: Callable[[docker.APIClient, str], None], api: docker.APIClient, at: LabAddress) -> None:
    try:
        remove(api, at.prefix)
    except ENGINE_FAILURES as error:
        raise refused(f"Swarm service {at.prefix} could not be removed", error) from error


def _know(at: LabAddress, container: dict[str, Any]) -> None:
    """Newer engines give a container a MAC address of chance, which the client's permanent entry must then say."""
    places = {place.ip: place.mac for place in (at, *at.spares)}
    for network in container["NetworkSettings"]["Networks"].values():
        if not network["IPAddress"]:
            continue
        ip, mac = IPv4Address(network["IPAddress"]), network["MacAddress"]
        if at.client and ip in places and places[ip] != mac:
            namespace.know_neighbour(at.client, ip, mac)


def _end_if_abandoned(api: docker.APIClient, watch: SwarmWatch) -> None:
    """Containers outlive their engine, and then nobody else would end them."""
    try:
        api.ping()
    except ENGINE_FAILURES:
        for container, _ in watch.replicas():
            end_processes_of(container)
