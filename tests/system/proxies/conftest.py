"""What suites of proxies stand on; for those that cache, a lab with an origin that counts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.lab.bridged import BridgedLab
from harness.proxies.registry import make
from harness.targets import registry
from harness.targets.api import Target
from tests.support import hello
from tests.support.caches import Cached, OriginAt, an_origin, cached
from tests.support.caches_suite import Another
from tests.support.deploy import bridged_lab


@pytest.fixture(scope="module")
def lab() -> Iterator[BridgedLab]:
    with bridged_lab("caches") as made:
        yield made


@pytest.fixture(scope="module")
def process() -> Target:
    """The target process, the hello workload prepared."""
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
    target_name, proxy_name = request.param
    scratch = tmp_path_factory.mktemp("cache")
    with cached(make(proxy_name), registry.make(target_name), lab, origin, scratch) as found:
        yield found


@pytest.fixture
def another(running: Cached, lab: BridgedLab, tmp_path: Path) -> Iterator[Another]:
    """Launches the same cache on the same target with another configuration."""
    with ExitStack() as stack:
        yield Another(running, lab, tmp_path, stack)
