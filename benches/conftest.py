"""What every bench shares: the quickstart's workload as a service, and a target that is ready to launch it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.artifacts.builders.rootfs import build_workload
from harness.host import facts
from harness.host.cpus import CpuSplit, split_cpus
from harness.host.processes import MARK
from harness.runtime.locks import host_lock
from harness.runtime.signals import interruptible
from harness.spec.files import read_workload
from harness.spec.service import Limits
from harness.spec.topology import SERVICE
from harness.targets.api import Service, Target
from harness.targets.registry import TARGETS, make

WORKLOAD = Path(__file__).parent.parent / "workloads" / "hello"


@dataclass(frozen=True, slots=True)
class Bench:
    """One target with its packaging prepared. The generator's CPUs are the prober's here."""

    target: Target
    service: Service
    cpus: CpuSplit


@pytest.fixture(scope="session")
def host() -> Iterator[facts.HostFacts]:
    """This host, held for as long as the benches run: a campaign beside them would be measured by them."""
    os.environ[MARK] = str(os.getpid())
    with host_lock("pytest benches"), interruptible():
        yield facts.collect()


@pytest.fixture(scope="session", params=list(TARGETS))
def bench(request: pytest.FixtureRequest, host: facts.HostFacts) -> Iterator[Bench]:
    """Every target in turn. One that this host cannot run fails, with the reason and the fix."""
    target = make(request.param)
    available = target.available(host)
    if not available.usable:
        pytest.fail(f"{target.name} cannot be used here: {available.reason}; try: {available.fix}", pytrace=False)
    workload = read_workload(WORKLOAD)
    artifact = build_workload(WORKLOAD, workload)
    target.prepare(artifact)
    limits = Limits()
    cpus = split_cpus(host.cpus, limits.cpus)
    service = Service.of(artifact, workload.members[SERVICE], limits, cpus.service)
    yield Bench(target, service, cpus)
    target.close()
