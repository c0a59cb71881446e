"""The contract of targets (harness.targets.api), one suite for all of them: those of the registry, and the tests' fake.

An instance of the hello workload is launched once for each target, looked at from all sides, and stopped; the tests of
what remains after its end come last for that reason. Two services that fail follow, each launched anew.
"""

from __future__ import annotations

import itertools
import platform
import re
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from harness import sweep
from harness.artifacts.api import Artifact, ImageConfig
from harness.clock import Stopwatch
from harness.errors import DeployError
from harness.host.engines import EngineFact
from harness.host.facts import HostFacts, collect
from harness.host.processes import start_time
from harness.lab.api import LabAddress
from harness.lab.bridged import Lab, LoopbackLab
from harness.probes.exchanges import ask
from harness.spec.route import Route
from harness.targets.api import Instance, InstanceProcess, Service, Target
from harness.targets.registry import TARGETS, make
from harness.units import MIB
from tests.support import hello
from tests.support.deploy import Deployed, bridged_lab, deployed
from tests.support.fakes import FakeTarget
from tests.support.kernel import allowed_cpus, memory_limit, shares_pid_namespace

pytestmark = pytest.mark.timeout(300)

FAKE = FakeTarget.name
REAL = [pytest.param(name, marks=pytest.mark.targets) for name in TARGETS]
ROLES = {"app", "shim", "proxy", "vmm", "helper"}
END_LIMIT_S = 90
ADVICE = re.compile(r"[a-z]+ .+")


@pytest.fixture(scope="module", params=[*REAL, FAKE])
def target(request: pytest.FixtureRequest) -> Target:
    name: str = request.param
    return FakeTarget(hello.answer) if name == FAKE else make(name)


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
    port = _free_port() if target.name == FAKE else 80
    return replace(made, port=port, env=tuple({**dict(made.env), "UVICORN_PORT": str(port)}.items()))


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def lab_of(target: Target) -> AbstractContextManager[Lab]:
    return LoopbackLab(f"tare-fake-{secrets.token_hex(3)}") if target.name == FAKE else bridged_lab("contract")


@pytest.fixture(scope="module")
def running(target: Target, service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """The one instance that all tests but the failing ones share."""
    with lab_of(target) as lab, deployed(target, service, lab, tmp_path_factory.mktemp("scratch")) as made:
        yield made
    assert left_of(target, lab.prefix) == []


@pytest.fixture(scope="module")
def before_its_end(running: Deployed) -> list[tuple[InstanceProcess, int]]:
    """The instance's processes with their start times, taken while it runs."""
    return [(process, start_time(process.pid)) for process in running.instance.processes()]


@pytest.fixture(scope="module")
def stopped(running: Deployed, before_its_end: list[tuple[InstanceProcess, int]]) -> Deployed:
    assert before_its_end
    running.instance.stop()
    return running


@pytest.fixture(scope="module")
def host() -> HostFacts:
    return collect()


def left_of(target: Target, *prefixes: str) -> list[str]:
    """What a sweep would remove, of those names."""
    return [
        f"{found.kind} {found.name}"
        for found in sweep.leftovers([target])
        if Path(found.name).name.startswith(prefixes)
    ]


def ports_of(bridge: str | None) -> list[str]:
    """What hangs on the lab's bridge."""
    return [] if bridge is None else sorted(port.name for port in Path(f"/sys/class/net/{bridge}/brif").iterdir())


def test_it_says_that_it_is_usable(target: Target, host: HostFacts) -> None:
    found = target.available(host)
    assert found.usable, f"{found.reason}: {found.fix}"


@pytest.mark.parametrize("root", [True, False])
def test_it_says_why_it_is_not_usable_and_what_to_do(target: Target, host: HostFacts, root: bool) -> None:
    nothing = EngineFact(version=None, reason="it is not installed")
    bare = replace(
        host, root=root, cgroup_version="none", cgroup_writable=False, tools={}, docker=nothing, libvirt=nothing
    )
    found = target.available(bare)
    assert found.usable or (found.reason and ADVICE.match(found.fix))


def test_its_first_correct_response_comes_after_the_trigger_and_its_phases_in_order(running: Deployed) -> None:
    phases = running.watch.phases()
    assert phases
    assert all(0 < early <= late for early, late in itertools.pairwise(phases.values()))
    assert running.watch.trigger_ns < running.result.listening_ns <= running.result.first_response_ns
    assert max(phases.values()) < running.result.first_response_ns - running.watch.trigger_ns
    assert running.result.resolution_ns < 10_000_000


def test_it_was_packaged_from_the_artifact(running: Deployed, artifact: Artifact) -> None:
    assert running.instance.content_digest() == artifact.digest


def test_it_answers_the_workloads_exchanges_like_every_other_target(running: Deployed) -> None:
    exchanges = [(each.method, each.path, each.body) for each in hello.WORKLOAD.exchanges]
    answers = ask(exchanges, (Route("/", str(running.at.ip), running.service.port),), running.lab.client_netns)
    expected = {f"{method} {path}": hello.expected(method, path, body) for method, path, body in exchanges}
    assert answers == expected
    assert [status for status, _ in answers.values()] == [each.status for each in hello.WORKLOAD.exchanges]


def test_its_processes_live_and_have_roles(running: Deployed) -> None:
    processes = running.instance.processes()
    roles = [process.role for process in processes]
    assert set(roles) <= ROLES
    assert roles.count("app") + roles.count("vmm") == 1, "the service is one process, and nothing of ours counts as it"
    assert len({process.pid for process in processes}) == len(processes)
    for process in processes:
        name = Path(f"/proc/{process.pid}/comm").read_text().strip()
        assert process.name == FAKE or process.name.startswith(name)


def test_its_limits_are_the_kernels(running: Deployed) -> None:
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


def test_its_control_group_counts_it(running: Deployed) -> None:
    group = running.instance.cgroup
    if group is None:
        assert not running.instance.limits_enforced
        return
    own = {process.pid for process in running.instance.processes() if process.role in ("app", "vmm")}
    assert own == set(group.pids())
    assert group.memory().current > 5 * MIB
    assert group.cpu_ns() > 0


def test_the_view_from_inside_is_what_its_namespaces_and_its_kernel_allow(running: Deployed) -> None:
    instance, view = running.instance, running.instance.inside()
    guest = instance.accelerator != "none"
    own_boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert (view.kernel_release != platform.release()) == guest
    assert (view.boot_id != own_boot) == guest
    pid = instance.processes()[0].pid
    assert view.sees_host_processes == (not guest and shares_pid_namespace(pid))
    assert view.visible_processes > 0
    assert view.devices > 0
    assert 0 < view.memory_available < view.memory_total
    if guest:
        assert view.hypervisor_bit
        assert view.virtualisation in ("kvm", "qemu")
        assert view.uptime_s < (time.monotonic_ns() - running.watch.trigger_ns) / 1e9


def test_only_a_guest_counts_memory_of_its_own(running: Deployed) -> None:
    assert (running.instance.guest_memory() is not None) == (running.instance.accelerator != "none")


def test_its_log_holds_what_the_service_printed(running: Deployed) -> None:
    assert re.search("running on http://", running.instance.logs())


def test_its_footprint_is_there(target: Target, artifact: Artifact, running: Deployed) -> None:  # noqa: ARG001
    footprint = target.footprint(artifact)
    assert footprint.total > 0
    assert all(part > 0 for part in footprint.parts.values())


def test_it_is_alive_and_would_be_swept_if_its_run_were_killed(target: Target, running: Deployed) -> None:
    assert running.instance.alive()
    assert bool(left_of(target, running.at.prefix)) == (target.name != FAKE)


def test_after_its_end_it_is_not_alive(stopped: Deployed) -> None:
    assert not stopped.instance.alive()


def test_after_its_end_none_of_its_processes_is_left(
    stopped: Deployed, before_its_end: list[tuple[InstanceProcess, int]], target: Target
) -> None:
    assert list(stopped.instance.processes()) == []
    if target.name != FAKE:
        assert [process for process, since in before_its_end if still_runs(process.pid, since)] == []


def test_after_its_end_nothing_of_it_is_left(stopped: Deployed, target: Target) -> None:
    assert left_of(target, stopped.at.prefix) == []
    assert not stopped.at.interface or not Path("/sys/class/net", stopped.at.interface).exists()
    assert len(ports_of(stopped.at.bridge)) == (0 if stopped.at.bridge is None else 1), "the client's, and no other"


def test_after_its_end_its_log_can_still_be_read(stopped: Deployed) -> None:
    assert re.search("running on http://", stopped.instance.logs())


def test_it_can_be_stopped_again(stopped: Deployed) -> None:
    stopped.instance.stop()
    assert not stopped.instance.alive()


def still_runs(pid: int, since: int) -> bool:
    """Whether that very process has not ended; who waits for its exit code does not matter."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return start_time(pid) == since and state not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_program_that_does_not_exist_fails_with_the_reason_and_leaves_nothing(
    target: Target, service: Service, tmp_path: Path
) -> None:
    """Either the launch fails, with the reason in its notes, or the instance ends, with the reason in its log."""
    with lab_of(target) as lab:
        at = lab.address("svc")
        told = launch_and_fail(target, replace(service, argv=("/no/such/program",)), at, tmp_path)
        assert "/no/such/program" in told
        assert left_of(target, at.prefix) == []


@pytest.mark.parametrize("target", REAL, indirect=True)
def test_a_service_that_ends_at_once_is_not_alive_and_says_how_it_ended(
    target: Target, service: Service, tmp_path: Path
) -> None:
    argv = ("/bin/sh", "-c", "echo its last words; exit 3")
    with lab_of(target) as lab:
        at = lab.address("svc")
        told = launch_and_fail(target, replace(service, argv=argv), at, tmp_path)
        assert "its last words" in told
        assert re.search(r"ended.*exit.* 3\b", told.splitlines()[-1])
        assert left_of(target, at.prefix) == []


def launch_and_fail(target: Target, service: Service, at: LabAddress, scratch: Path) -> str:
    """What is told of the failure: by the error of the launch, or by the log of the instance once it has ended."""
    try:
        instance = target.launch(service, at, Stopwatch(), scratch)
    except DeployError as error:
        return "\n".join((error.what, *error.notes))
    with instance:
        wait_until_ended(instance)
        return instance.logs()


def wait_until_ended(instance: Instance) -> None:
    deadline = time.monotonic() + END_LIMIT_S
    while instance.alive():
        assert time.monotonic() < deadline, instance.logs()
        time.sleep(0.02)
