"""Container startup against hand-written ones: the same image, limits and kind of network, and a poll loop of its own.

Three ways to the same container are interleaved, in a random order within each round:

- *tare*: ContainerTarget.launch and the prober, as in a trial;
- *docker run*: the command line, timed from the moment when it asks the engine for the container
  (``POST /containers/create``). A relay in front of the engine's socket sees that moment. What the command spends
  before it (starting a program of 40 MB, finding out the engine's version: some 18 ms) is the client's and no part of
  what a container costs: a client that is already running does not pay it. It is measured and printed beside.
- *API*: the same two requests, create and start, written by hand on the engine's socket, as with curl --unix-socket.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path

import pytest

from harness.clock import NS_PER_MS, now_ns
from harness.lab.api import LabAddress
from harness.lab.bridged import BridgedLab
from harness.targets.api import Service
from harness.targets.docker.target import ContainerTarget
from harness.units import MIB
from tests.support import hello, poll
from tests.support.deploy import bridged_lab, deployed
from tests.support.relay import ENGINE, Relay
from tests.support.truth import Truth
from tests.truth.conftest import Weigh

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

AGREEMENT = 0.05
"""How far a startup by Tare may be from one by hand, as a share of it."""

BUDGET_S = 150


@dataclass(slots=True)
class Figures:
    """Milliseconds from the moment when the engine was asked to the first correct response, round by round."""

    tare: list[float] = field(default_factory=list)
    docker_run: list[float] = field(default_factory=list)
    docker_run_with_client: list[float] = field(default_factory=list)
    api: list[float] = field(default_factory=list)


@contextmanager
def poll_loop(lab: BridgedLab, ip: str, port: int, path: str) -> Iterator[subprocess.Popen[str]]:
    """The hand-written loop, in the client's namespace and on the instrument's CPUs, waiting for a line."""
    cpus = ",".join(map(str, hello.CPUS.generator))
    inside = ("nsenter", f"--net=/run/netns/{lab.client_netns}", "taskset", "-c", cpus)
    command = [*inside, sys.executable, "-I", "-S", poll.__file__, ip, str(port), path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as loop:
        assert loop.stdout is not None
        assert loop.stdout.readline() == "ready\n"
        try:
            yield loop
        finally:
            loop.kill()


@contextmanager
def polled(service: Service) -> Iterator[tuple[LabAddress, Callable[[], None], Callable[[], int]]]:
    """A place with a Docker network for it, the loop's start, and the moment when the loop got its response."""
    with bridged_lab("byhand") as lab:
        at = lab.address("svc")
        docker(
            "network", "create", "--internal", f"--subnet={at.network}", f"--gateway={at.gateway}",
            "-o", f"com.docker.network.bridge.name={at.bridge}", at.prefix,
        )  # fmt: skip
        try:
            with poll_loop(lab, str(at.ip), service.port, service.ready.path) as loop:
                assert loop.stdin is not None
                assert loop.stdout is not None
                stdin, stdout = loop.stdin, loop.stdout

                def go() -> None:
                    stdin.write("go\n")
                    stdin.flush()

                yield at, go, lambda: int(stdout.readline())
        finally:
            docker("rm", "-f", at.prefix)
            docker("network", "rm", at.prefix)


def docker(*words: str, host: str = f"unix://{ENGINE}") -> None:
    done = subprocess.run(
        [docker_client(), *words], check=False, capture_output=True, text=True, env={**os.environ, "DOCKER_HOST": host}
    )
    assert done.returncode == 0, done.stderr


@cache
def docker_client() -> str:
    """The first client on the PATH that is not newer than the engine: a newer one refuses --mac-address."""
    seen = []
    for folder in os.get_exec_path():
        program = shutil.which("docker", path=folder)
        if program is not None:
            asked = [program, "version", "--format", "{{.Client.DefaultAPIVersion}} {{.Server.APIVersion}}"]
            seen.append(subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip())
            own, engine = (tuple(map(int, version.split("."))) for version in seen[-1].split())
            if own <= engine:
                return program
    raise AssertionError(f"no docker client of the engine's age on the PATH: {seen}")


def by_tare(service: Service, folder: Path, figures: Figures) -> None:
    with bridged_lab("byhand") as lab, deployed(ContainerTarget(), service, lab, folder) as made:
        figures.tare.append(made.first_response_ms)


def by_docker_run(service: Service, folder: Path, figures: Figures) -> None:
    with polled(service) as (at, go, first_response_ns), Relay(folder / "docker.sock") as relay:
        words = [
            "run", "-d", f"--name={at.prefix}", f"--network={at.prefix}", f"--ip={at.ip}", f"--mac-address={at.mac}",
            f"--memory={service.limits.memory_mib}m", f"--memory-swap={service.limits.memory_mib}m",
            f"--cpuset-cpus={cpu_list(service)}", "--security-opt=no-new-privileges",
            f"--user={service.user.uid}:{service.user.gid}", f"--workdir={service.workdir}",
            *(f"--env={name}={value}" for name, value in service.env),
            f"--entrypoint={service.argv[0]}", service.artifact.image, *service.argv[1:],
        ]  # fmt: skip
        go()
        begun_ns = now_ns()
        docker(*words, host=relay.url)
        done_ns = first_response_ns()
        figures.docker_run.append((done_ns - relay.asked_ns) / NS_PER_MS)
        figures.docker_run_with_client.append((done_ns - begun_ns) / NS_PER_MS)


def by_api(service: Service, _folder: Path, figures: Figures) -> None:
    with polled(service) as (at, go, first_response_ns):
        wanted = {
            "Image": service.artifact.image,
            "Entrypoint": list(service.argv),
            "Cmd": [],
            "Env": [f"{name}={value}" for name, value in service.env],
            "WorkingDir": service.workdir,
            "User": f"{service.user.uid}:{service.user.gid}",
            "MacAddress": at.mac,
            "HostConfig": {
                "NetworkMode": at.prefix,
                "Memory": service.limits.memory_mib * MIB,
                "MemorySwap": service.limits.memory_mib * MIB,
                "CpusetCpus": cpu_list(service),
                "SecurityOpt": ["no-new-privileges"],
            },
            "NetworkingConfig": {"EndpointsConfig": {at.prefix: {"IPAMConfig": {"IPv4Address": str(at.ip)}}}},
        }
        engine = http.client.HTTPConnection("docker")
        engine.sock = socket.socket(socket.AF_UNIX)
        engine.sock.connect(ENGINE)
        go()
        begun_ns = now_ns()
        post(engine, f"/v1.41/containers/create?name={at.prefix}", wanted)
        post(engine, f"/v1.41/containers/{at.prefix}/start")
        figures.api.append((first_response_ns() - begun_ns) / NS_PER_MS)
        engine.close()


def post(engine: http.client.HTTPConnection, path: str, content: Mapping[str, object] | None = None) -> None:
    engine.request("POST", path, json.dumps(content) if content else None, {"Content-Type": "application/json"})
    response = engine.getresponse()
    assert response.status < 300, response.read()
    response.read()


def cpu_list(service: Service) -> str:
    return ",".join(map(str, sorted(service.cpuset)))


def test_container_startup_agrees_with_containers_started_by_hand(weigh: Weigh, tmp_path: Path) -> None:
    """In pairs, so that what disturbs the host disturbs all three ways."""
    service = hello.service(hello.build())
    ContainerTarget().prepare(service.artifact)
    figures, ways = Figures(), [by_tare, by_docker_run, by_api]
    order, numbers = random.Random(20), count()

    def once() -> tuple[float, float]:
        number = next(numbers)
        order.shuffle(ways)
        for way in ways:
            folder = tmp_path / f"{number}-{way.__name__}"
            folder.mkdir()
            way(service, folder, figures)
        return figures.tare[-1] / figures.docker_run[-1], figures.tare[-1] / figures.api[-1]

    truths = [
        Truth(f"container startup by Tare, of one by {by_hand}", "", 1 - AGREEMENT, 1 + AGREEMENT, within=AGREEMENT)
        for by_hand in ("docker run", "the API")
    ]
    try:
        weigh(truths, once, BUDGET_S)
    finally:
        for name, values in zip(
            ("Tare", "docker run", "docker run and its client's start", "the API"),
            (figures.tare, figures.docker_run, figures.docker_run_with_client, figures.api),
            strict=True,
        ):
            print(f"{name}: first response after {statistics.median(values):.1f} ms (median of {len(values)})")
