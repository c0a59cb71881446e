"""One attempt at a set: an instance's own figures, the whole's, what happened under load, and who failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.load.plan import ClosedLoop, LoadPlan, OpenLoop
from harness.planning.plan import AtCapacity, AtRate
from harness.records.trial import TrialRecord
from harness.runtime.signals import Interrupted, interruptible
from harness.trial import load_plan
from harness.trial.run import run_attempt
from tests.support.fake_instances import (
    Changed,
    Elsewhere,
    Refused,
    SignalledAtItsEnd,
    SignalledInItsStart,
    Stubborn,
)
from tests.support.fake_instruments import REQUESTS
from tests.support.fake_sets import SET, FakeProxy, SetBench, SetTarget, chain, set_bench
from tests.support.fakes import FakeInstance

pytestmark = pytest.mark.usefixtures("still_host")

ORDER = ["broker", "catalog", "payments"]
FIRST = [{"path": "/pay/1"}]


@pytest.fixture(autouse=True)
def no_tail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events come at once after the window."""
    monkeypatch.setattr(load_plan, "TAIL_S", 0.0)


def attempt(made: SetBench, number: int = 0) -> TrialRecord:
    return run_attempt(made.plan.trials[number], 1, AtRate(100.0), made.setting)


def watched(**event: object) -> dict[str, object]:
    return {"before_s": 0.01, "watch_s": 0.5, **event}


def test_a_good_attempt_has_the_figures_of_each_instance_and_their_sums(tmp_path: Path) -> None:
    target = SetTarget()
    made = set_bench(tmp_path / "c", target, topology={"first": FIRST})
    record = attempt(made)
    assert (record.outcome, record.failure, record.invalid, record.valid) == ("ok", None, (), True)
    assert [each.name for each in record.instances] == [each.service for each in record.instances] == ORDER
    assert {(each.role, each.target) for each in record.instances} == {("service", "fake")}
    after = [each.trigger_after_ns for each in record.instances]
    assert after == sorted(after)
    assert after[0] == 0 < after[1]
    assert record.startup is not None
    assert record.startup.phases[-1].name == "first transaction"
    for each in record.instances:
        assert each.startup is not None
        assert each.trigger_after_ns + each.startup.total_ns < record.startup.total_ns
        assert each.digests is not None
        assert each.digests.expected == made.deployables[each.name].artifact.digest == each.digests.observed
    assert record.memory_idle is not None
    assert record.memory_load is not None
    assert record.cpu is not None
    idle = [each.memory_idle.pss["app"] for each in record.instances if each.memory_idle]
    load = [each.memory_load.pss["app"] for each in record.instances if each.memory_load]
    used = [each.cpu.processes_ns for each in record.instances if each.cpu]
    assert (record.memory_idle.pss["app"], len(idle)) == (sum(idle), 3)
    assert (record.memory_load.pss["app"], len(load)) == (sum(load), 3)
    assert (record.cpu.processes_ns, len(used)) == (sum(used), 3)
    assert record.artifact_digest == made.setting.digest_of(SET)
    assert record.digests is not None
    assert record.digests.expected == record.digests.observed == record.artifact_digest
    assert record.footprint.parts == {"directory": 3_000_000}
    assert (record.events, record.served, record.path_checks, record.propagation_ms) == ((), {}, {}, ())
    assert target.running == []


def test_each_instance_keeps_its_files_apart_and_the_load_knows_all_routes(tmp_path: Path) -> None:
    made = set_bench(tmp_path / "c")
    attempt(made)
    scratch = made.folder.trial_folder(f"{made.plan.trials[0].name}-a1")
    assert sorted(path.name for path in scratch.iterdir() if path.is_dir()) == sorted(ORDER)
    (plan,) = made.instruments.plans
    assert [route.prefix for route in plan.targets.routes] == ["/pay", "/"]
    assert len({route.port for route in plan.targets.routes}) == 2


def test_a_placement_puts_each_instance_on_its_target(tmp_path: Path) -> None:
    here, there = SetTarget(), SetTarget(name="other")
    made = set_bench(
        tmp_path / "c", here, there,
        matrix={"targets": ["mixed"]}, baseline="shop-mixed",
        placements={"mixed": {"default": "fake", "payments": "other"}},
    )  # fmt: skip
    record = attempt(made)
    assert record.valid
    assert {each.name: each.target for each in record.instances} == {
        "broker": "fake", "catalog": "fake", "payments": "other",
    }  # fmt: skip
    assert (len(here.launched), len(there.launched)) == (2, 1)


def test_a_proxy_is_an_instance_and_what_it_served_is_kept(tmp_path: Path) -> None:
    made = set_bench(tmp_path / "c", matrix={"proxies": [FakeProxy.name]}, baseline=f"shop-fake-{FakeProxy.name}")
    proxy = FakeProxy(tmp_path, log="served 200 10.9.9.9:1\n")
    made.proxies[proxy.name] = proxy
    record = attempt(made)
    assert record.valid
    assert [(each.name, each.role) for each in record.instances][-1] == ("proxy", "proxy")
    assert record.served == {"10.9.9.9:1": 1}
    assert record.artifact_digest == made.setting.digest_of(SET)
    scratch = made.folder.trial_folder(f"{made.plan.trials[0].name}-a1")
    assert "catalog" in (scratch / "proxy.conf").read_text()


def test_one_changed_tree_of_several_makes_it_invalid(tmp_path: Path) -> None:
    record = attempt(set_bench(tmp_path / "c", SetTarget({"broker": Changed})))
    assert (record.outcome, record.valid) == ("ok", False)
    assert any("digest" in reason for reason in record.invalid)


@pytest.mark.parametrize("kind", ["kill", "restart", "replace"])
def test_an_event_is_told_with_its_recovery_and_the_trial_counts(tmp_path: Path, kind: str) -> None:
    target = SetTarget()
    record = attempt(set_bench(tmp_path / "c", target, events=[watched(kind=kind, service="catalog")]))
    assert (record.failure, record.valid) == (None, True)
    (event,) = record.events
    assert (event.kind, event.instance, event.note) == (kind, "catalog", "")
    assert record.load is not None
    assert event.recovered_ns is not None
    assert record.load.window_end_ns <= event.watched_from_ns < event.begin_ns < event.recovered_ns
    assert target.running == []


def test_a_replaced_first_service_does_not_move_the_others_in_time(tmp_path: Path) -> None:
    record = attempt(set_bench(tmp_path / "c", events=[watched(kind="replace", service="broker")]))
    after = [each.trigger_after_ns for each in record.instances]
    assert after == sorted(after)
    assert after[0] == 0


def test_what_stays_down_by_design_is_no_failure(tmp_path: Path) -> None:
    events = [watched(kind="kill", service="broker", again=False)]
    record = attempt(set_bench(tmp_path / "c", events=events))
    assert (record.failure, record.valid) == (None, True)
    assert [(event.instance, event.recovered_ns) for event in record.events] == [("broker", None)]


def test_what_does_not_come_back_is_told_and_no_failure_of_the_trial(tmp_path: Path) -> None:
    refusing = False

    def answer(_method: str, _path: str, _body: bytes) -> tuple[int, bytes]:
        return (503, b"") if refusing else (200, b"")

    class Relapsing(FakeInstance):
        def kill(self) -> None:
            nonlocal refusing
            refusing = True
            super().kill()

    target = SetTarget({"broker": Relapsing}, {"broker": answer})
    record = attempt(set_bench(tmp_path / "c", target, events=[watched(kind="kill", service="broker")]))
    assert record.failure is None
    (event,) = record.events
    assert (event.recovered_ns, event.note) == (None, "The fake service gave no correct response.")


def test_an_event_that_fails_keeps_what_was_measured_before(tmp_path: Path) -> None:
    target = SetTarget()
    events = [watched(kind="kill", service="catalog"), watched(kind="scale", service="catalog", replicas=2)]
    record = attempt(set_bench(tmp_path / "c", target, events=events))
    assert record.failure is not None
    assert record.failure.what == "fake does not scale catalog."
    assert [event.kind for event in record.events] == ["kill"]
    assert record.memory_load is not None
    assert target.running == []


def test_a_calibration_meets_no_event(tmp_path: Path) -> None:
    made = set_bench(tmp_path / "c", events=[watched(kind="kill", service="catalog")])
    assert run_attempt(made.plan.trials[0], 1, AtCapacity(), made.setting).events == ()
    assert run_attempt(made.plan.trials[1], 1, AtRate(100.0), made.setting).events != ()
    closed, measured = (plan.load for plan in made.instruments.plans)
    assert isinstance(closed, ClosedLoop)
    assert isinstance(measured, OpenLoop)
    assert measured.tail_s == pytest.approx(0.51)
    assert measured.capacity is None


def test_a_service_that_ends_under_load_is_named_with_its_logs_alone(tmp_path: Path) -> None:
    target = SetTarget()
    made = set_bench(tmp_path / "c", target)
    made.instruments.meanwhile = lambda _plan: target.instance("catalog").kill()
    record = attempt(made)
    assert record.failure is not None
    assert record.failure.what == "The service catalog ended under load."
    assert str(made.members["catalog"].port) in record.failure.logs
    assert str(made.members["broker"].port) not in record.failure.logs
    assert record.memory_idle is not None
    assert record.samples is not None
    assert len(made.folder.samples(record)) == REQUESTS
    assert target.running == []


def test_a_launch_that_fails_takes_those_before_it_down(tmp_path: Path) -> None:
    target = SetTarget({"catalog": Refused})
    record = attempt(set_bench(tmp_path / "c", target))
    assert record.failure is not None
    assert record.failure.what == "The fake engine refused."
    assert [each.name for each in record.instances] == ["broker"]
    assert record.instances[0].startup is None
    assert (target.running, target.staged) == ([], set())


def test_one_that_never_answers_is_shown_by_its_own_logs(tmp_path: Path) -> None:
    target = SetTarget({"catalog": Elsewhere})
    made = set_bench(tmp_path / "c", target, members=chain(catalog={"ready": {"timeout_s": 0.1}}))
    record = attempt(made)
    assert record.failure is not None
    assert record.failure.kind == "NotReady"
    assert record.failure.logs.startswith("[catalog]\nfake service running on")
    assert "[broker]" not in record.failure.logs
    known = {each.name: each.startup is not None for each in record.instances}
    assert known == {"broker": True, "catalog": False, "payments": False}
    assert target.running == []


def test_a_teardown_that_fails_does_not_keep_the_others_running(tmp_path: Path) -> None:
    target = SetTarget({"catalog": Stubborn})
    record = attempt(set_bench(tmp_path / "c", target))
    assert record.failure is not None
    assert record.failure.what == "A process of it survived."
    assert target.running == []


@pytest.mark.parametrize("kind", [SignalledInItsStart, SignalledAtItsEnd])
def test_an_interruption_leaves_nothing(tmp_path: Path, kind: type[FakeInstance]) -> None:
    target = SetTarget({"catalog": kind})
    with pytest.raises(Interrupted), interruptible():
        attempt(set_bench(tmp_path / "c", target))
    assert "payments staged" in target.told
    assert (target.running, target.staged) == ([], set())


def test_an_interruption_under_load_leaves_nothing(tmp_path: Path) -> None:
    target = SetTarget()
    made = set_bench(tmp_path / "c", target)

    def interrupt(_plan: LoadPlan) -> None:
        assert target.running == ORDER
        raise Interrupted

    made.instruments.meanwhile = interrupt
    with pytest.raises(Interrupted):
        attempt(made)
    assert target.running == []


def test_how_long_events_took_is_asked_under_load_and_a_wrong_answer_fails(tmp_path: Path) -> None:
    for body, expected in ((b'{"propagation_ms": [1.5]}', (1.5,)), (b"{}", ())):
        target = SetTarget(answers={"catalog": lambda *_request, body=body: (200, body)})
        record = attempt(set_bench(tmp_path / str(len(body)), target, topology={"propagation": "/events"}))
        assert record.propagation_ms == expected
        assert (record.failure is None) == bool(expected)


def test_all_instances_are_stopped_before_the_lab_goes(tmp_path: Path) -> None:
    stopped: list[str] = []

    class Noted(FakeInstance):
        def stop(self) -> None:
            if self.alive():
                stopped.append(self.address.prefix.rpartition("-")[2])
            super().stop()

    target = SetTarget(dict.fromkeys(ORDER, Noted))
    attempt(set_bench(tmp_path / "c", target))
    assert stopped == ORDER[::-1]
