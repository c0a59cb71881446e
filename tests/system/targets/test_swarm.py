"""What is the swarm target's own, on the real engine; what every target promises is in the contract suite."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from urllib.request import urlopen

import docker
import pytest

from harness.errors import DeployError
from harness.probes.exchanges import ask
from harness.spec.route import Route
from harness.targets.api import Instance, Service
from harness.targets.docker.engine import client, remove_network
from harness.targets.process.target import ProcessTarget
from harness.targets.swarm import mode as swarm_mode
from harness.targets.swarm.instance import SwarmInstance
from harness.targets.swarm.target import SwarmTarget
from tests.support import hello
from tests.support.deploy import Deployed, bridged_lab, deployed
from tests.support.launch import launch
from tests.support.until import until

pytestmark = [pytest.mark.xdist_group("swarm"), pytest.mark.timeout(1500)]

SPARES = 5
STRANGER = "a-strangers-service"


@pytest.fixture(scope="module")
def target() -> Iterator[SwarmTarget]:
    made = SwarmTarget()
    yield made
    made.close()


@pytest.fixture(scope="module")
def service(target: SwarmTarget) -> Service:
    artifact = hello.build()
    target.prepare(artifact)
    made = hello.service(artifact)
    return replace(made, port=80, env=tuple({**dict(made.env), "UVICORN_PORT": "80"}.items()))


@pytest.fixture(scope="module")
def running(target: SwarmTarget, service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """One replica with room for more."""
    with (
        bridged_lab("replicas") as lab,
        deployed(target, service, lab, tmp_path_factory.mktemp("scratch"), spares=SPARES) as made,
    ):
        yield made


@pytest.fixture(scope="module")
def instance(running: Deployed) -> SwarmInstance:
    assert isinstance(running.instance, SwarmInstance)
    return running.instance


@pytest.fixture(scope="module")
def two(instance: SwarmInstance) -> SwarmInstance:
    instance.scale(2)
    until(lambda: instance.replicas() == 2)
    return instance


def answering(running: Deployed, instance: SwarmInstance) -> list[IPv4Address]:
    """The places at which a replica answers this host, which is the lab's gateway."""
    found = []
    for place in instance.places():
        with suppress(OSError), urlopen(f"http://{place.ip}:{running.service.port}/health", timeout=1) as response:
            assert response.status == 200
            found.append(place.ip)
    return found


def first_processes(instance: SwarmInstance) -> set[int]:
    return {process.pid for process in instance.processes() if process.role == "app"}


def environments(instance: SwarmInstance) -> list[bool]:
    """Whether each replica that runs is of the next version."""
    found = []
    for pid in first_processes(instance):
        with suppress(ProcessLookupError, FileNotFoundError):  # it ended meanwhile
            found.append(b"VERSION=2" in Path(f"/proc/{pid}/environ").read_bytes())
    return found


@pytest.mark.core
def test_it_scales_within_its_places_which_its_client_reaches(running: Deployed, two: SwarmInstance) -> None:
    assert len(two.places()) == 8
    assert {place.ip for place in two.places()} >= {running.at.ip}
    until(lambda: len(answering(running, two)) == 2, timeout_s=60)
    assert len(first_processes(two)) == 2
    reached = answering(running, two)
    routes = [(Route("/", str(ip), running.service.port),) for ip in reached]
    answers = [ask([("GET", "/health", "")], route, running.lab.client_netns) for route in routes]
    assert [status for answer in answers for status, _ in answer.values()] == [200, 200]


def test_every_replica_has_the_limits(running: Deployed, two: SwarmInstance) -> None:
    assert two.limits_enforced
    with client() as api:
        for container in api.containers(filters={"name": running.at.prefix}):
            limits = api.inspect_container(container["Id"])["HostConfig"]
            assert limits["CpusetCpus"] == ",".join(map(str, sorted(running.service.cpuset)))
            assert limits["Memory"] == limits["MemorySwap"] == running.service.limits.memory_mib << 20


def test_a_killed_replica_is_replaced(two: SwarmInstance) -> None:
    before = first_processes(two)
    two.kill()
    until(lambda: two.replicas() == 2)
    assert len(first_processes(two) - before) == 1
    assert two.alive()


def test_a_rolling_update_changes_every_replica(two: SwarmInstance) -> None:
    assert not any(environments(two))
    two.replace({"VERSION": "2"})
    until(lambda: environments(two) == [True] * 2, timeout_s=90)
    assert two.alive()


def test_it_scales_to_no_more_than_its_places(two: SwarmInstance) -> None:
    with pytest.raises(DeployError, match="8 addresses, too few for 9 replicas"):
        two.scale(9)


def test_only_an_orchestrated_target_launches_replicas(service: Service, tmp_path: Path) -> None:
    with bridged_lab("replicas") as lab, pytest.raises(DeployError, match="not 2 replicas"):
        launch(ProcessTarget(), replace(service, replicas=2), lab.address("svc", spares=1), tmp_path)


def test_replicas_at_launch_need_places(target: SwarmTarget, service: Service, tmp_path: Path) -> None:
    with bridged_lab("replicas") as lab, pytest.raises(DeployError, match="1 addresses, too few for 2 replicas"):
        launch(target, replace(service, replicas=2), lab.address("svc"), tmp_path)


@pytest.fixture
def strangers(target: SwarmTarget, running: Deployed) -> Iterator[docker.APIClient]:
    """A swarm that somebody else entered, with a service in it. Ours is over."""
    running.instance.stop()
    target.close()
    with ExitStack() as stack:
        api = stack.enter_context(client())
        assert "docker_gwbridge" not in {network["Name"] for network in api.networks()}
        assert swarm_mode.state(api)["LocalNodeState"] == "inactive"
        # The engine keeps it when it leaves, and nobody had it before.
        stack.callback(remove_network, api, "docker_gwbridge")
        stack.callback(api.leave_swarm, force=True)
        api.init_swarm(advertise_addr="127.0.0.1", listen_addr="127.0.0.1:2377")
        container = docker.types.ContainerSpec(running.service.artifact.image, command=["sleep", "600"])
        task = docker.types.TaskTemplate(container)
        api.create_service(task, name=STRANGER)  # type: ignore[no-untyped-call]  # the library's types leave it out
        yield api


def test_in_a_strangers_swarm_nothing_but_ours_is_removed(
    strangers: docker.APIClient, service: Service, tmp_path: Path
) -> None:
    target = SwarmTarget()
    target.prepare(service.artifact)
    with bridged_lab("replicas") as lab:
        made: Instance = launch(target, service, lab.address("svc"), tmp_path)
        until(lambda: made.processes())
        made.stop()
    assert list(target.leftovers("tare-")) == []
    target.close()
    left = strangers.services()  # type: ignore[no-untyped-call]  # the library's types leave it out
    assert [each["Spec"]["Name"] for each in left] == [STRANGER]
    assert swarm_mode.state(strangers)["ControlAvailable"]
