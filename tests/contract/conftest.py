"""What contract suites stand on: for caches, in part for fronts, a lab with an origin; for targets, each in turn."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from harness.artifacts.api import Artifact, ImageConfig
from harness.lab.bridged import BridgedLab
from harness.proxies.registry import FRONTS, make
from harness.targets import registry
from harness.targets.api import Service, Target
from harness.targets.swarm_mode import NAME as SWARM_MODE
from tests.support import hello, shop
from tests.support.caches import Cached, OriginAt, an_origin, cached
from tests.support.caches_suite import Another
from tests.support.deploy import bridged_lab
from tests.support.fake_campaign import free_port
from tests.support.fakes import FakeTarget
from tests.support.targets_suite import FAKE, REAL, left_of

ALONE = ("vm", "swarm")
"""What two workers never deploy at once: emulated guests fill a CPU each, and the engine is in one swarm at a time."""

_MADE_OF = frozenset(word for name in (*registry.TARGETS, FAKE, *FRONTS, *shop.TOPOLOGIES) for word in name.split("-"))


class ByDeployment(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """The tests of one deployment go to one worker, which makes it once."""

    def _split_scope(self, nodeid: str) -> str:
        module, _, test = nodeid.partition("::")
        words = [word for word in re.split(r"[-\[\]]", test) if word in _MADE_OF]
        return next((word for word in words if word in ALONE), "-".join((module, *words)))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByDeployment | None:
    """What ``--dist=loadscope`` means here."""
    return ByDeployment(config, log) if config.getoption("dist") == "loadscope" else None


@pytest.fixture(scope="module")
def lab() -> Iterator[BridgedLab]:
    with bridged_lab("caches") as made:
        yield made


@pytest.fixture(scope="module")
def process() -> Target:
    """The target process, the hello workload prepared; the suite of fronts uses it as well."""
    made = registry.make("process")
    made.prepare(hello.build())
    return made


@pytest.fixture(scope="module")
def origin(lab: BridgedLab, process: Target, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OriginAt]:
    with an_origin(process, lab, "svc0", tmp_path_factory.mktemp("origin")) as made:
        yield made


@pytest.fixture(scope="module")
def running(
    request: pytest.FixtureRequest, lab: BridgedLab, origin: OriginAt, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cached]:
    target_name, front_name = request.param
    scratch = tmp_path_factory.mktemp("cache")
    with cached(make(front_name), registry.make(target_name), lab, origin, scratch) as found:
        yield found


@pytest.fixture
def another(running: Cached, lab: BridgedLab, tmp_path: Path) -> Iterator[Another]:
    """Launches the same cache on the same target with another configuration."""
    with ExitStack() as stack:
        yield Another(running, lab, tmp_path, stack)


@pytest.fixture(scope="module", params=[*REAL, FAKE])
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    name: str = request.param
    made = FakeTarget(hello.answer) if name == FAKE else registry.make(name)
    yield made
    made.close()
    made.close()
    assert left_of(made, SWARM_MODE) == []


@pytest.fixture(scope="module")
def artifact(target: Target, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    if target.name == FAKE:
        config = ImageConfig(argv=("python3",))
        return Artifact("fake", f"sha256:{'0' * 64}", tmp_path_factory.mktemp("artifact"), config, "the tests", True)
    made = hello.build()
    target.prepare(made)
    return made


@pytest.fixture(scope="module")
def service(target: Target, artifact: Artifact) -> Service:
    """On port 80 and not as root: each target gives a service a network of its own, as containers have it."""
    made = hello.service(artifact)
    port = free_port() if target.name == FAKE else 80
    return replace(made, port=port, env=tuple({**dict(made.env), "UVICORN_PORT": str(port)}.items()))
