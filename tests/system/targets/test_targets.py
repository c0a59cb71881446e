"""The contract of targets (harness.targets.api), one suite for all of them: those of the registry, and the tests' fake.

An instance of the hello workload is launched once for each target, looked at from all sides, killed and started again,
ended in order and started again, and stopped; the tests stand in that order, and those of what remains come last.
"""

from __future__ import annotations

import itertools
import os
import platform
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.artifacts.api import Artifact
from harness.clock import Stopwatch
from harness.errors import DeployError
from harness.host.facts import HostFacts, collect
from harness.host.processes import start_time
from harness.host.provisioning.engines import EngineFact
from harness.targets.api import InstanceProcess, Service, Target
from harness.targets.orchestrated import Orchestrated
from tests.support.deploy import Deployed, deployed
from tests.support.kernel import shares_pid_namespace
from tests.support.targets_suite import (
    FAKE,
    FAKED,
    MORE,
    REAL,
    Death,
    assert_counted,
    assert_exchanges,
    assert_limits,
    is_fake,
    lab_of,
    left_of,
    ports_of,
    running_again,
    said_to_run,
    seen_down,
    still_runs,
)
from tests.support.until import until

pytestmark = pytest.mark.timeout(1500)

MARKED = [pytest.param(name, marks=pytest.mark.core) for name in ("process", "container")]
"""Those whose own file system can be reached from this host. A guest's is its kernel's alone."""

ORDERLY_END_S = 60.0
"""An emulated guest shuts down slowly."""

ROLES = {"app", "shim", "proxy", "vmm", "helper"}
ADVICE = re.compile(r"[a-z]+ .+")


@pytest.fixture(scope="module")
def running(target: Target, service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """The one instance that all tests but the failing ones share."""
    with lab_of(target) as lab, deployed(target, service, lab, tmp_path_factory.mktemp("scratch")) as made:
        yield made
    assert left_of(target, lab.prefix) == []


@pytest.fixture(scope="module")
def before_its_end(running: Deployed) -> list[tuple[InstanceProcess, int]]:
    """The instance's processes with their start times, in whichever of its lives the tests before have left it."""
    return [(process, start_time(process.pid)) for process in running.instance.processes()]


@pytest.fixture(scope="module")
def stopped(running: Deployed, before_its_end: list[tuple[InstanceProcess, int]]) -> Deployed:
    assert before_its_end or not running.instance.alive()
    running.instance.stop()
    return running


@pytest.fixture(scope="module")
def host() -> HostFacts:
    return collect()


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
    # What a trial needs is a condition of the trial's; here another deployment may share the CPUs.
    assert running.result.resolution_ns >= 0


def test_it_was_packaged_from_the_artifact(running: Deployed, artifact: Artifact) -> None:
    assert running.instance.content_digest() == artifact.digest


def test_it_answers_the_workloads_exchanges_like_every_other_target(running: Deployed) -> None:
    assert_exchanges(running)


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
    assert_limits(running)


def test_its_control_group_counts_it(running: Deployed) -> None:
    assert_counted(running)


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
    if guest:
        assert view.hypervisor_bit
        assert view.virtualisation in ("kvm", "qemu")
        assert view.uptime_s < (time.monotonic_ns() - running.watch.trigger_ns) / 1e9


def test_only_a_guest_counts_memory_of_its_own(running: Deployed) -> None:
    assert (running.instance.guest_memory() is not None) == (running.instance.accelerator != "none")


def test_its_log_holds_what_the_service_printed(running: Deployed) -> None:
    assert re.search("running on http://", running.instance.logs())


def test_its_footprint_is_there(target: Target, artifact: Artifact, running: Deployed) -> None:  # noqa: ARG001 (it is up)
    footprint = target.footprint(artifact)
    assert footprint.total > 0
    assert all(part > 0 for part in footprint.parts.values())


def test_it_is_alive_and_would_be_swept_if_its_run_were_killed(target: Target, running: Deployed) -> None:
    assert running.instance.alive()
    assert bool(left_of(target, running.at.prefix)) == (target.name != FAKE)


@pytest.fixture(scope="module")
def mark(running: Deployed, target: Target, service: Service) -> str:
    """The name of a file that is in the service's own file system before it dies; none where we cannot get at it."""
    app = next((process for process in running.instance.processes() if process.role == "app"), None)
    if app is None or target.name == FAKE:
        return ""
    name = "/tmp/left-behind"
    path = Path(f"/proc/{app.pid}/root{name}")
    path.write_text("still here")
    os.chown(path, service.user.uid, service.user.gid)
    return name


@pytest.fixture(scope="module")
def killed(running: Deployed, mark: str) -> Death:  # noqa: ARG001 - the file is there before the death
    """Twice, which is once. Of an orchestrated one all that runs: its only replica."""
    instance = running.instance
    before = [(process, start_time(process.pid)) for process in instance.processes()]
    instance.kill()
    instance.kill()
    return seen_down(running, before)


@pytest.fixture(scope="module")
def revived(running: Deployed, killed: Death) -> Deployed:  # noqa: ARG001 - it runs again after its death
    """By its orchestrator if it has one."""
    by_itself = isinstance(running.instance, Orchestrated)
    return running_again(running, lambda watch: watch.start() if by_itself else running.instance.restart(watch))


@pytest.fixture(scope="module")
def ended(running: Deployed, revived: Deployed) -> Death:
    assert revived.instance is running.instance
    before = [(process, start_time(process.pid)) for process in running.instance.processes()]
    running.instance.terminate(ORDERLY_END_S)
    return seen_down(running, before)


@pytest.fixture(scope="module")
def revived_twice(running: Deployed, ended: Death) -> Deployed:  # noqa: ARG001 - started again after its end
    return running_again(running, running.instance.restart)


def test_of_a_killed_instance_nothing_runs_and_it_is_alive_only_for_an_orchestrator(
    running: Deployed, killed: Death
) -> None:
    """Of an orchestrated one nothing that ran: in place of it something else may run already, and listen."""
    assert killed.survivors == []
    assert killed.alive == isinstance(running.instance, Orchestrated)
    assert killed.alive or (killed.processes == [] and not killed.listens)
    assert re.search("running on http://", killed.log)


def test_an_instance_that_runs_is_not_started_again(revived: Deployed) -> None:
    with pytest.raises(DeployError, match="still runs"):
        revived.instance.restart(Stopwatch())


def test_started_again_it_is_what_it_was(revived: Deployed, artifact: Artifact) -> None:
    assert revived.instance.content_digest() == artifact.digest
    assert_exchanges(revived)
    assert_limits(revived)
    assert_counted(revived)


@pytest.mark.parametrize("target", MARKED, indirect=True)
def test_started_again_it_has_its_file_system_as_it_left_it(revived: Deployed, mark: str) -> None:
    app = next(process for process in revived.instance.processes() if process.role == "app")
    assert Path(f"/proc/{app.pid}/root{mark}").read_text() == "still here"


def test_an_instance_that_was_asked_to_end_has_ended(ended: Death) -> None:
    assert not ended.alive
    assert ended.processes == []
    assert ended.survivors == []
    assert not ended.listens


@pytest.mark.parametrize("target", REAL, indirect=True)
def test_its_service_had_the_time_to_end_in_order(ended: Death) -> None:
    assert re.search("(?i)shut(ting)? down", ended.log)


@pytest.mark.parametrize("target", [*MORE, FAKED], indirect=True)
def test_it_starts_again_in_its_place_with_a_timeline_of_its_own(revived_twice: Deployed) -> None:
    again = revived_twice
    phases = again.watch.phases()
    assert phases
    assert all(0 < early <= late for early, late in itertools.pairwise(phases.values()))
    assert again.watch.trigger_ns < again.result.listening_ns <= again.result.first_response_ns
    assert max(phases.values()) < again.result.first_response_ns - again.watch.trigger_ns
    lives = 1 if is_fake(again) else 3
    # It may answer before it has printed that it runs.
    until(lambda: said_to_run(again) >= lives)
    assert said_to_run(again) == lives


@pytest.mark.parametrize("target", [*MORE, FAKED], indirect=True)
def test_it_starts_again_after_every_end(revived_twice: Deployed, artifact: Artifact) -> None:
    assert revived_twice.instance.alive()
    assert_exchanges(revived_twice)
    assert revived_twice.instance.content_digest() == artifact.digest


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
