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
import math
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
from pathlib import Path

import pytest

from harness.clock import NS_PER_MS, now_ns
from harness.lab.api import LabAddress
from harness.lab.bridged import BridgedLab
from harness.targets.api import Service
from harness.targets.container import ContainerTarget
from harness.units import MIB
from tests.support import hello, poll
from tests.support.deploy import bridged_lab, deployed
from tests.support.relay import ENGINE, Relay

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

ROUNDS = 10
MOST_ROUNDS = 80
"""On a host that is busy with something else: until the median is known to half the agreement, and to agree. More
rounds bring it nearer to what is true, so a difference that is there stays, and one that chance made goes."""

AGREEMENT = 0.05
"""How far the median of the pairs may be from 1. Where it is beyond that after all these rounds, its interval tells
whether that is a difference or the host's noise; and the interval may be no wider than that on either side."""


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


def ratios(ours: list[float], theirs: list[float]) -> list[float]:
    return [mine / other for mine, other in zip(ours, theirs, strict=True)]


def disagreement(pairs: list[float]) -> float:
    """How far their median is from 1."""
    return abs(statistics.median(pairs) - 1)


def half_width(values: list[float]) -> float:
    """Half the 95 % interval of their median (McGill, Tukey & Larsen 1978, the notch of a box plot)."""
    low, _, high = statistics.quantiles(values, n=4)
    return 1.57 * (high - low) / math.sqrt(len(values))


def test_container_startup_agrees_with_containers_started_by_hand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service = hello.service(hello.build())
    ContainerTarget().prepare(service.artifact)
    figures, ways = Figures(), [by_tare, by_docker_run, by_api]
    order = random.Random(20)
    for number in range(MOST_ROUNDS):
        order.shuffle(ways)
        for way in ways:
            folder = tmp_path / f"{number}-{way.__name__}"
            folder.mkdir()
            way(service, folder, figures)
        if number + 1 >= ROUNDS and all(
            half_width(pairs := ratios(figures.tare, by_hand)) < AGREEMENT / 2 and disagreement(pairs) < AGREEMENT
            for by_hand in (figures.docker_run, figures.api)
        ):
            break
    rows = {
        "docker run": figures.docker_run,
        "API": figures.api,
        "docker run and its client's start": figures.docker_run_with_client,
    }
    with capsys.disabled():
        print(f"\nfirst response, median of {len(figures.tare)}: tare {statistics.median(figures.tare):.1f} ms")
        for name, by_hand in rows.items():
            pairs = ratios(figures.tare, by_hand)
            ratio = f"{statistics.median(pairs):.3f} ± {half_width(pairs):.3f}"
            print(f"  {name}: {statistics.median(by_hand):.1f} ms, tare is {ratio} of it (median of pairs)")
    for name in ("docker run", "API"):
        pairs = ratios(figures.tare, rows[name])
        assert half_width(pairs) < AGREEMENT, name
        assert disagreement(pairs) - half_width(pairs) < AGREEMENT, name
