"""What the suites of targets share: which targets, and how an instance is looked at while it runs, down and gone."""

from __future__ import annotations

import re
import secrets
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from harness.campaign import sweep
from harness.clock import Stopwatch
from harness.errors import DeployError
from harness.host.processes import start_time
from harness.lab.api import LabAddress
from harness.lab.bridged import Lab, LoopbackLab
from harness.probes.exchanges import ask
from harness.probes.startup import Prober
from harness.runtime.confinement import Confinement
from harness.spec.route import Route
from harness.targets.api import Instance, InstanceProcess, Service, Target
from harness.targets.registry import TARGETS
from harness.units import MIB
from tests.support import hello
from tests.support.deploy import Deployed, bridged_lab
from tests.support.fakes import FakeTarget
from tests.support.kernel import allowed_cpus, memory_limit
from tests.support.launch import launch
from tests.support.until import until

FAKE = FakeTarget.name
FAKED = pytest.param(FAKE, marks=pytest.mark.core)
REAL = [pytest.param(name, marks=pytest.mark.core) for name in TARGETS]
GUESTS = ("vm",)
"""Targets each of whose starts boots a guest, which takes half a minute where it is emulated."""

MORE = [pytest.param(name, marks=() if name in GUESTS else pytest.mark.core) for name in TARGETS]
"""For tests that start the service once more: ``make test`` has two boots of a guest for all of the contract."""

END_LIMIT_S = 90


def lab_of(target: Target) -> AbstractContextManager[Lab]:
    return LoopbackLab(f"tare-fake-{secrets.token_hex(3)}") if target.name == FAKE else bridged_lab("contract")


def left_of(target: Target, *prefixes: str) -> list[str]:
    """What a sweep would remove, of those names."""
    return [
        f"{found.kind} {found.name}"
        for found in sweep.leftovers([target])
        if Path(found.name).name.startswith(prefixes)
    ]


def is_fake(running: Deployed) -> bool:
    return running.instance.processes()[0].name == FAKE


def ports_of(bridge: str | None) -> list[str]:
    """What hangs on the lab's bridge."""
    return [] if bridge is None else sorted(port.name for port in Path(f"/sys/class/net/{bridge}/brif").iterdir())


def assert_exchanges(running: Deployed) -> None:
    exchanges = [(each.method, each.path, each.body) for each in hello.WORKLOAD.exchanges]
    answers = ask(exchanges, (Route("/", str(running.at.ip), running.service.port),), running.lab.client_netns)
    expected = {f"{method} {path}": hello.expected(method, path, body) for method, path, body in exchanges}
    assert answers == expected
    assert [status for status, _ in answers.values()] == [each.status for each in hello.WORKLOAD.exchanges]


def assert_limits(running: Deployed) -> None:
    """A guest's memory is limited by being all there is; every other service's by its control group."""
    instance, service = running.instance, running.service
    if not instance.limits_enforced:
        assert instance.cgroup is None
        return
    limit = service.limits.memory_mib * MIB
    guest = instance.guest_memory()
    carriers = [process.pid for process in instance.processes() if process.role in ("app", "vmm")]
    assert carriers
    for pid in carriers:
        assert allowed_cpus(pid) == service.cpuset
        assert guest or memory_limit(pid) == limit
    assert guest is None or limit * 0.8 < guest.total <= limit


def assert_counted(running: Deployed) -> None:
    group = running.instance.cgroup
    if group is None:
        assert not running.instance.limits_enforced
        return
    own = {process.pid for process in running.instance.processes() if process.role in ("app", "vmm")}
    assert own == set(group.pids())
    assert group.memory().current > 5 * MIB
    assert group.cpu_ns() > 0


@dataclass(frozen=True, slots=True)
class Death:
    """What was seen of the instance while it was down."""

    alive: bool
    processes: list[InstanceProcess]
    survivors: list[InstanceProcess]
    log: str
    listens: bool


def seen_down(running: Deployed, before: list[tuple[InstanceProcess, int]]) -> Death:
    instance = running.instance
    survivors = [process for process, since in before if process.name != FAKE and still_runs(process.pid, since)]
    return Death(instance.alive(), list(instance.processes()), survivors, instance.logs(), listens(running))


def running_again(running: Deployed, start: Callable[[Stopwatch], object]) -> Deployed:
    """The same instance at the same place, once it has answered again."""
    watch = Stopwatch()
    client, at, service = running.lab.client_netns, running.at, running.service
    with Prober(str(at.ip), service.port, service.ready, Confinement(client, hello.CPUS.generator)) as prober:
        prober.go()
        start(watch)
        return replace(running, watch=watch, result=prober.result(alive=running.instance.alive))


def said_to_run(running: Deployed) -> int:
    """How often the log says so: once for each of its lives."""
    return len(re.findall("running on http://", running.instance.logs()))


def listens(running: Deployed) -> bool:
    """Asked from this host, which is the lab's gateway."""
    try:
        with socket.create_connection((str(running.at.ip), running.service.port), timeout=1):
            return True
    except OSError:
        return False


def still_runs(pid: int, since: int) -> bool:
    """Whether that very process has not ended; who waits for its exit code does not matter."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return start_time(pid) == since and state not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


def launch_and_fail(target: Target, service: Service, at: LabAddress, scratch: Path) -> str:
    """What is told of the failure: by the error of the launch, or by the log of the instance once it has ended."""
    try:
        instance = launch(target, service, at, scratch)
    except DeployError as error:
        return "\n".join((error.what, *error.notes))
    with instance:
        wait_until_ended(instance)
        return instance.logs()


def wait_until_ended(instance: Instance) -> None:
    until(lambda: not instance.alive(), END_LIMIT_S, told=instance.logs)
