"""Each target in turn, and the service that its contract suite deploys on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from harness.artifacts.api import Artifact, ImageConfig
from harness.targets import registry
from harness.targets.api import Service, Target
from harness.targets.swarm.mode import NAME as SWARM_MODE
from tests.support import hello
from tests.support.fake_campaign import free_port
from tests.support.fakes import FakeTarget
from tests.support.targets_suite import FAKE, FAKED, REAL, left_of


@pytest.fixture(scope="module", params=[*REAL, FAKED])
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    name: str = request.param
    made = FakeTarget(hello.answer) if name == FAKE else registry.make(name)
    yield made
    made.close()
    made.close()
    assert left_of(made, SWARM_MODE) == [], "the engine has left the swarm; no lab of a test has a name like it"


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
