"""One attempt: what its record holds when all goes well, and when something does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import StoreError
from harness.host.machine import CpuTimes
from harness.host.noise import NoiseCounters
from harness.load.plan import ClosedLoop, LoadPlan
from harness.planning.plan import AtCapacity, AtRate, PlannedTrial
from harness.records.trial import TrialRecord
from harness.runtime.signals import Interrupted, interruptible
from harness.spec.service import Exchange
from harness.trial.run import run_attempt
from harness.trial.trial_log import TRIAL_LOG
from tests.support.fake_campaign import CALIBRATED, DIGEST, Bench, bench
from tests.support.fake_instances import (
    OTHER_DIGEST,
    Changed,
    Elsewhere,
    NoRoom,
    Refused,
    ScriptedTarget,
    SignalledAtItsEnd,
    SignalledInItsStart,
    Stubborn,
    StubbornElsewhere,
)
from tests.support.fake_instruments import REQUESTS
from tests.support.fakes import FakeInstance, FakeTarget, healthy

pytestmark = pytest.mark.usefixtures("still_host")


def measured(made: Bench, number: int = 0) -> PlannedTrial:
    return [trial for trial in made.plan.trials if trial.kind == "measured"][number]


def attempt(made: Bench, trial: PlannedTrial | None = None, number: int = 1) -> TrialRecord:
    return run_attempt(trial or measured(made), number, AtRate(100.0), made.setting)


def impatient(made: Bench) -> None:
    """The first correct response must come at once."""
    spec = made.deployable.spec
    hasty = spec.model_copy(update={"ready": spec.ready.model_copy(update={"timeout_s": 0.1})})
    made.deployable = replace(made.deployable, spec=hasty)


def test_a_good_attempt_holds_everything_that_was_measured(tmp_path: Path) -> None:
    made = bench(tmp_path / "c")
    record = attempt(made)
    assert (record.outcome, record.failure, record.invalid, record.valid) == ("ok", None, (), True)
    assert record.startup is not None
    assert [phase.name for phase in record.startup.phases] == ["started", "listening", "first_response"]
    assert 0 < record.startup.phases[0].after_ns < record.startup.total_ns == record.startup.phases[-1].after_ns
    assert record.memory_idle is not None
    assert record.memory_load is not None
    assert record.memory_idle.pss["app"] > 0
    assert record.cpu is not None
    assert record.cpu.window_ns > 0
    assert record.load is not None
    assert (record.load.target_rps, record.load.scheduled, record.load.completed) == (100, REQUESTS, REQUESTS)
    assert record.capacity is not None
    assert record.noise is not None
    assert record.inside is not None
    assert record.digests is not None
    assert record.digests.expected == record.digests.observed == record.artifact_digest == DIGEST
    assert record.footprint.parts == {"directory": 1_000_000}
    assert record.samples is not None
    assert len(made.folder.samples(record)) == REQUESTS
    assert not record.limits_enforced


def test_names_are_fixed_before_anything_is_made_and_every_attempt_has_its_own(tmp_path: Path) -> None:
    made = bench(tmp_path / "c")
    first, second = attempt(made), attempt(made, number=2)
    name = measured(made).name
    assert made.instruments.labs == [f"tare-abc123-{name}-a1", f"tare-abc123-{name}-a2"]
    assert first.samples != second.samples


def test_every_variant_of_a_block_meets_the_same_arrivals_and_every_block_has_its_own(tmp_path: Path) -> None:
    made = bench(tmp_path / "c", FakeTarget(), ScriptedTarget(name="other"))
    made.run()
    by_block = [made.instruments.plans[:2], made.instruments.plans[2:]]
    assert [len({plan.seed for plan in plans}) for plans in by_block] == [1, 1]
    assert len({plan.seed for plan in made.instruments.plans}) == 2


def test_the_generators_own_files_are_gone_once_the_samples_are_kept(tmp_path: Path) -> None:
    made = bench(tmp_path / "c")

    def write_as_the_generator_does(plan: LoadPlan) -> None:
        for name in (plan.samples, f"{plan.samples}.json"):
            Path(name).write_bytes(b"raw")

    made.instruments.meanwhile = write_as_the_generator_does
    record = attempt(made)
    assert record.samples is not None
    kept = {file.name for file in (made.path / record.samples).parent.iterdir()}
    assert kept == {"samples.parquet", TRIAL_LOG}


def test_every_attempt_keeps_what_the_harness_did_in_it(tmp_path: Path) -> None:
    made = bench(tmp_path / "c", ScriptedTarget(Refused))
    for number, last in ((1, "start failed, rolled back: DeployError: The fake engine refused."), (2, "stopped")):
        attempt(made, number=number)
        lines = (made.path / "trials" / f"b1-01-fake-a{number}" / TRIAL_LOG).read_text("utf-8").splitlines()
        assert all(f"tare-abc123-b1-01-fake-a{number}-svc: " in line for line in lines)
        assert lines[-1].endswith(last)


def test_a_calibration_finds_the_capacity_and_is_judged_by_its_artifact_alone(tmp_path: Path) -> None:
    refusing = FakeTarget(lambda *request: (500, b"busy") if made.instruments.plans[1:] else healthy(*request))
    made = bench(tmp_path / "c", refusing, **CALIBRATED)
    trial = made.plan.trials[0]
    record = run_attempt(trial, 1, AtCapacity(), made.setting)
    assert isinstance(made.instruments.plans[0].load, ClosedLoop)
    assert (record.kind, record.level, record.valid, record.load, record.memory_idle) == (
        "calibration", "capacity", True, None, None,
    )  # fmt: skip
    assert record.capacity is not None
    assert record.capacity.completed == REQUESTS

    changed = bench(tmp_path / "d", ScriptedTarget(Changed), **CALIBRATED)
    assert len(run_attempt(changed.plan.trials[0], 1, AtCapacity(), changed.setting).invalid) == 1


def test_a_changed_tree_makes_it_invalid_and_says_so(tmp_path: Path) -> None:
    record = attempt(bench(tmp_path / "c", ScriptedTarget(Changed)))
    assert (record.outcome, record.valid) == ("ok", False)
    (reason,) = record.invalid
    assert "digest" in reason
    assert record.digests is not None
    assert record.digests.observed == OTHER_DIGEST
    assert record.samples is not None


def test_wrong_answers_under_load_make_it_invalid(tmp_path: Path) -> None:
    loaded = False

    def turn_bad(_plan: LoadPlan) -> None:
        nonlocal loaded
        loaded = True

    made = bench(tmp_path / "c", FakeTarget(lambda *request: (500, b"") if loaded else healthy(*request)))
    made.instruments.meanwhile = turn_bad
    record = attempt(made)
    assert record.outcome == "ok"
    assert record.load is not None
    assert record.load.unexpected == REQUESTS
    assert any(reason.startswith("achieved 0.0 %") for reason in record.invalid)


def test_a_noisy_host_makes_it_invalid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter((NoiseCounters(CpuTimes(0, 1000, 0), 0, 0, 0.1), NoiseCounters(CpuTimes(0, 2000, 100), 0, 0, 0.1)))
    monkeypatch.setattr(NoiseCounters, "read", lambda _cgroup: next(readings))
    record = attempt(bench(tmp_path / "c"))
    assert record.invalid == ("steal 10.0 % of the window, limit 2 %",)


@pytest.mark.parametrize(
    ("kind", "what", "remedy", "logs"),
    [
        (Refused, "The fake engine refused.", "Ask it why.", "the engine's last line"),
        (NoRoom, "No space left on device", "Free some disk space: df -h", ""),
    ],
)
def test_a_launch_that_fails_is_a_failed_record(
    tmp_path: Path, kind: type[FakeInstance], what: str, remedy: str, logs: str
) -> None:
    record = attempt(bench(tmp_path / "c", ScriptedTarget(kind)))
    assert (record.outcome, record.valid, record.startup, record.samples) == ("failed", False, None, None)
    assert record.failure is not None
    assert record.failure.kind == "DeployError"
    assert what in record.failure.what
    assert (record.failure.remedy, record.failure.logs) == (remedy, logs)
    assert record.footprint.parts


def test_a_service_that_never_becomes_ready_shows_its_last_log_lines(tmp_path: Path) -> None:
    target = ScriptedTarget(answer=lambda *_request: (500, b"not yet"))
    made = bench(tmp_path / "c", target)
    impatient(made)
    record = attempt(made)
    assert record.failure is not None
    assert record.failure.kind == "NotReady"
    lines = record.failure.logs.splitlines()
    assert 1 < len(lines) <= 20
    assert lines[-1] == '"GET /health HTTP/1.1" 500 -'
    assert target.running == []


def test_something_else_that_answers_already_is_not_taken_for_the_service(tmp_path: Path) -> None:
    made = bench(tmp_path / "c", ScriptedTarget(Elsewhere))
    at = made.instruments.lab("x").__enter__().address("svc")
    stranger = FakeInstance(made.service, at, healthy)
    try:
        record = attempt(made)
    finally:
        stranger.stop()
    assert record.failure is not None
    assert record.failure.what == f"Something else answers at 127.0.0.1:{made.service.port} already."
    assert "another port" in record.failure.remedy
    assert record.startup is None


def test_a_service_that_ends_under_load_fails_and_keeps_what_was_measured(tmp_path: Path) -> None:
    target = ScriptedTarget()
    made = bench(tmp_path / "c", target)
    made.instruments.meanwhile = lambda _plan: target.instances[-1].stop()
    record = attempt(made)
    assert record.failure is not None
    assert record.failure.what == "The service ended under load."
    assert record.failure.logs.startswith("fake service running on")
    assert record.startup is not None
    assert record.memory_idle is not None
    assert record.samples is not None
    assert set(made.folder.samples(record)["outcome"]) == {"error"}


def test_a_teardown_that_fails_fails_the_attempt_and_keeps_what_was_measured(tmp_path: Path) -> None:
    record = attempt(bench(tmp_path / "c", ScriptedTarget(Stubborn)))
    assert (record.outcome, record.invalid) == ("failed", ())
    assert record.failure is not None
    assert record.failure.what == "A process of it survived."
    assert record.startup is not None
    assert record.load is not None
    assert record.digests is not None
    assert record.samples is not None


def test_of_two_failures_the_first_is_told_and_the_second_is_not_lost(tmp_path: Path) -> None:
    made = bench(tmp_path / "c", ScriptedTarget(StubbornElsewhere))
    impatient(made)
    failure = attempt(made).failure
    assert failure is not None
    assert failure.kind == "NotReady"
    assert failure.logs.splitlines()[-1] == "then: A process of it survived."


def test_fixed_requests_are_answered_by_every_target_alike(tmp_path: Path) -> None:
    made = bench(tmp_path / "c")
    made.exchanges = (Exchange(path="/health"), Exchange(path="/", method="POST", body="x"))
    record = attempt(made)
    assert set(record.responses) == {"GET /health", "POST /"}
    assert all(answer.startswith("200 sha256:") for answer in record.responses.values())

    made.exchanges = (Exchange(path="/health", status=404),)
    failed = attempt(made, number=2)
    assert failed.failure is not None
    assert failed.failure.what == "GET /health was answered with status 200, expected 404."
    assert failed.failure.logs
    assert failed.startup is not None


def test_a_full_disk_is_told_with_its_remedy_and_nothing_is_left_running(tmp_path: Path) -> None:
    target = ScriptedTarget()
    made = bench(tmp_path / "c", target)
    fill_the_disk(made, f"{measured(made).name}-a1")
    with pytest.raises(StoreError) as caught:
        attempt(made)
    assert "No space left on device" in caught.value.what
    assert caught.value.remedy == f"Free some disk space, then: tare run --resume {made.path}"
    assert len(target.instances) == 1
    assert target.running == []


def fill_the_disk(made: Bench, name: str) -> None:
    """The samples of that attempt meet the device that is always full."""
    (made.folder.trial_folder(name) / "samples.parquet.partial").symlink_to("/dev/full")


def test_an_interruption_passes_through_the_teardown(tmp_path: Path) -> None:
    target = ScriptedTarget()
    made = bench(tmp_path / "c", target)

    def interrupt(_plan: LoadPlan) -> None:
        assert len(target.running) == 1
        raise Interrupted

    made.instruments.meanwhile = interrupt
    with pytest.raises(Interrupted):
        attempt(made)
    assert target.running == []


def test_an_interruption_in_the_middle_of_a_teardown_waits_for_its_end(tmp_path: Path) -> None:
    target = ScriptedTarget(SignalledAtItsEnd)
    made = bench(tmp_path / "c", target)
    with pytest.raises(Interrupted), interruptible():
        attempt(made)
    assert len(target.instances) == 1
    assert target.running == []


def test_an_interruption_that_a_failing_clean_up_replaced_still_ends_the_campaign(tmp_path: Path) -> None:
    """Or else the attempt would count as failed and the next one would begin."""
    made = bench(tmp_path / "c", ScriptedTarget(SignalledInItsStart))
    with pytest.raises(Interrupted), interruptible():
        attempt(made)


def test_a_port_in_use_fails_the_attempt_and_not_the_campaign(tmp_path: Path) -> None:
    made = bench(tmp_path / "c")
    at = made.instruments.lab("x").__enter__().address("svc")
    stranger = FakeInstance(made.service, at, lambda *_request: (404, b""))
    try:
        failure = attempt(made).failure
    finally:
        stranger.stop()
    assert failure is not None
    assert "Address already in use" in failure.what
    assert "tare doctor" in failure.remedy
