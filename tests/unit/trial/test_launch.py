"""A set is launched as a whole, in order, and timed to its first correct answer; a failure takes all of it down."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.errors import DeployError, NotReady
from harness.lab.api import LabAddress
from harness.records.startup import Startup
from harness.runtime.signals import Interrupted
from harness.targets.api import Service
from harness.trial.arrangement import lay_out
from harness.trial.launch import LOG_TAIL_LINES, Deployment, Running, attach_logs, deploy, seconds_until, tail
from tests.support.fake_instances import Refused
from tests.support.fake_sets import SetBench, SetTarget, WideLab, chain, set_bench
from tests.support.fakes import Answer, FakeInstance

FIRST = [{"path": "/pay/1"}, {"path": "/items"}]


class Interrupting(FakeInstance):
    """Somebody asks for the end while it is started."""

    def __init__(self, _service: Service, _at: LabAddress, _answer: Answer) -> None:
        raise Interrupted


class Lifeless(FakeInstance):
    """Ends as soon as it has begun."""

    def __init__(self, service: Service, at: LabAddress, answer: Answer) -> None:
        super().__init__(service, at, answer)
        self.kill()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as found:
        yield found


def deployed(made: SetBench, stack: ExitStack) -> tuple[Deployment, Startup]:
    running: list[Running] = []
    lab = WideLab("tare-x")
    return deploy(lay_out(made.variant, made.setting, lab, made.path), made.setting, lab, made.path, stack, running)


def test_all_is_staged_before_the_first_start_and_started_in_order(tmp_path: Path, stack: ExitStack) -> None:
    target = SetTarget()
    deployment, _ = deployed(set_bench(tmp_path / "c", target), stack)
    order = ["broker", "catalog", "payments"]
    assert target.told == [f"{name} staged" for name in order] + [f"{name} started" for name in order]
    assert [run.name for run in deployment.running] == order
    assert deployment.trigger_ns == deployment.of("broker").watch.trigger_ns
    assert deployment.dead() == []
    assert all((tmp_path / "c" / name).is_dir() for name in order)
    stack.close()
    assert target.running == []


def test_the_whole_is_ready_when_the_last_is(tmp_path: Path, stack: ExitStack) -> None:
    deployment, whole = deployed(set_bench(tmp_path / "c"), stack)
    own = [run.startup for run in deployment.running if run.startup is not None]
    assert {phase.name for phase in whole.phases} == {"broker ready", "catalog ready", "payments ready"}
    assert [phase.after_ns for phase in whole.phases] == sorted(phase.after_ns for phase in whole.phases)
    assert whole.trigger_ns == own[0].trigger_ns
    assert whole.total_ns == max(each.trigger_ns + each.total_ns for each in own) - whole.trigger_ns
    assert whole.attempts == sum(each.attempts for each in own)
    assert whole.prober_cpu_ns == sum(each.prober_cpu_ns for each in own)


def test_a_first_transaction_ends_the_startup(tmp_path: Path, stack: ExitStack) -> None:
    target = SetTarget()
    _, whole = deployed(set_bench(tmp_path / "c", target, topology={"first": FIRST}), stack)
    assert whole.phases[-1].name == "first transaction"
    assert whole.phases[-1].after_ns == whole.total_ns > whole.phases[-2].after_ns
    assert '"GET /pay/1 HTTP/1.1" 200 -' in target.instance("payments").logs()
    assert '"GET /items HTTP/1.1" 200 -' in target.instance("catalog").logs()


def test_a_single_service_keeps_its_own_startup_and_the_attempts_folder(tmp_path: Path, stack: ExitStack) -> None:
    made = set_bench(tmp_path / "c", topology={"services": ("broker",), "routes": {"/": "broker"}})
    deployment, whole = deployed(made, stack)
    (run,) = deployment.running
    assert whole == run.startup
    assert run.scratch == made.path


def test_a_start_that_fails_takes_down_what_runs_and_what_is_staged(tmp_path: Path) -> None:
    target = SetTarget({"catalog": Refused})
    with pytest.raises(DeployError, match="refused"), ExitStack() as stack:
        deployed(set_bench(tmp_path / "c", target), stack)
    assert [service.name for service, _ in target.launched] == ["broker"]
    assert (target.running, target.staged) == ([], set())


def test_an_interruption_while_others_are_staged_leaves_nothing(tmp_path: Path) -> None:
    target = SetTarget({"catalog": Interrupting})
    with pytest.raises(Interrupted), ExitStack() as stack:
        deployed(set_bench(tmp_path / "c", target), stack)
    assert "payments staged" in target.told
    assert "payments started" not in target.told
    assert (target.running, target.staged) == ([], set())


def test_one_that_ends_before_all_are_ready_is_shown_beside_the_one_that_waits(tmp_path: Path) -> None:
    busy = {"broker": lambda *_request: (503, b"starting")}
    target = SetTarget({"catalog": Lifeless}, busy)
    with pytest.raises(NotReady) as caught, ExitStack() as stack:
        deployed(set_bench(tmp_path / "c", target), stack)
    assert [note.splitlines()[0] for note in caught.value.notes] == ["[broker]", "[catalog]"]
    assert '"GET /health HTTP/1.1" 503 -' in caught.value.notes[0]
    assert target.running == []


def test_a_transaction_that_is_never_answered_shows_the_logs_of_all(tmp_path: Path) -> None:
    hasty = {name: {"ready": {"path": "/health", "timeout_s": 0.2}} for name in ("broker", "catalog", "payments")}
    topology = {"first": [{"path": "/pay/1", "status": 201}]}
    with pytest.raises(NotReady) as caught, ExitStack() as stack:
        deployed(set_bench(tmp_path / "c", members=chain(**hasty), topology=topology), stack)
    assert [note.splitlines()[0] for note in caught.value.notes] == ["[broker]", "[catalog]", "[payments]"]


def test_logs_ride_along_once_each_and_one_that_cannot_be_read_says_so(tmp_path: Path, stack: ExitStack) -> None:
    class Mute(FakeInstance):
        def logs(self) -> str:
            raise DeployError("the engine has gone", "start it")

    deployment, _ = deployed(set_bench(tmp_path / "c", SetTarget({"catalog": Mute})), stack)
    error = DeployError("x", "y")
    broker, catalog, _ = deployment.running
    attach_logs(error, [broker, catalog, broker])
    assert len(error.notes) == 2
    assert error.notes[0].startswith("[broker]\nfake service running on")
    assert error.notes[1] == "[catalog]\n(its logs could not be read: the engine has gone)"
    alone = DeployError("x", "y")
    attach_logs(alone, [broker])
    assert alone.notes[0].startswith("[broker]\nfake service running on"), "in a set one must know whose they are"


def test_only_the_last_lines_are_shown() -> None:
    lines = [str(number) for number in range(LOG_TAIL_LINES + 5)]
    assert tail("\n".join(lines) + "\n\n") == "\n".join(lines[5:])


def test_a_deadline_that_has_passed_leaves_no_time() -> None:
    assert seconds_until(0) == 0.0
