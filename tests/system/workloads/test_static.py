"""The contract of the workload ``static``: one suite for its origin, deployed on the targets."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator

import pytest

from harness.artifacts.builders.rootfs import build_workload
from harness.host.cpus import split_cpus
from harness.spec.service import Limits
from harness.targets.api import Service
from harness.targets.registry import make
from tests.support.deploy import bridged_lab, deployed
from tests.support.static_at import FOLDER, WORKLOAD, StaticAt
from tests.support.static_suite import CHECKS, Check

pytestmark = pytest.mark.timeout(1500)

ORIGIN = "origin"


@pytest.fixture(scope="module", params=["process", "container"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StaticAt]:
    """One origin on each target, which all checks share."""
    artifact = build_workload(FOLDER, WORKLOAD, ORIGIN)
    target = make(request.param)
    target.prepare(artifact)
    cpus = split_cpus(frozenset(os.sched_getaffinity(0)), 1)
    service = Service.of(artifact, WORKLOAD.members[ORIGIN], Limits(), cpus.service)
    scratch = tmp_path_factory.mktemp(f"static-{secrets.token_hex(2)}")
    with bridged_lab("static") as lab, deployed(target, service, lab, scratch) as made:
        yield StaticAt(str(made.at.ip), service.port)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_origin(running: StaticAt, check: Check) -> None:
    check(running)
