"""Every way in which a campaign can be ended and taken up again, over fakes."""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import campaign as module
from harness.analysis import load
from harness.campaign import MAX_ATTEMPTS
from harness.deployment.setting import Setting
from harness.errors import LoadError, StoreError
from harness.interrupts import Interrupted
from harness.load.plan import LoadPlan
from harness.plan import PlannedTrial
from harness.store.folder import CampaignFolder
from harness.store.records import Failure, TrialRecord
from harness.trial import variant_id
from tests.support.fake_campaign import CALIBRATED, Bench, bench
from tests.support.fake_instances import Changed, Good, Refused, ScriptedTarget
from tests.support.fakes import FakeTarget

pytestmark = pytest.mark.usefixtures("still_host")


def other(*kinds: type[Good] | type[Refused] | type[Changed]) -> ScriptedTarget:
    return ScriptedTarget(*kinds, name="other")


def interrupted_in_load(made: Bench, number: int) -> None:
    """Somebody presses Ctrl-C in that load, counted from 1."""
    loads = 0

    def interrupt(_plan: LoadPlan) -> None:
        nonlocal loads
        loads += 1
        if loads == number:
            raise Interrupted

    made.instruments.meanwhile = interrupt
    with pytest.raises(Interrupted):
        made.run()


def test_an_interruption_keeps_what_was_finished_and_a_resume_does_exactly_the_rest(tmp_path: Path) -> None:
    target = ScriptedTarget()
    made = bench(tmp_path / "c", target, other(), **CALIBRATED)
    interrupted_in_load(made, 5)
    finished = [record.trial for record in made.folder.trials()]
    assert finished == [trial.name for trial in made.plan.trials[:4]]
    assert target.running == []
    assert load(made.path).trials["counts"].sum() == 2

    told = made.run()
    assert told.attempts == [(trial.name, 1) for trial in made.plan.trials[4:]]
    assert told.calibrations == 0
    assert len(made.floors) == 1
    assert Counter(record.trial for record in made.folder.trials()) == {trial.name: 1 for trial in made.plan.trials}


def test_an_interruption_in_the_calibration_keeps_what_was_calibrated(tmp_path: Path) -> None:
    made = bench(tmp_path / "c", FakeTarget(), other(), **CALIBRATED)
    interrupted_in_load(made, 2)
    assert made.folder.levels() is None
    told = made.run()
    assert told.attempts[0] == (made.plan.trials[1].name, 1)
    levels = made.folder.levels()
    assert levels is not None
    assert set(levels.capacities_rps) == {"fake", "other"}


def test_a_finished_campaign_has_nothing_left_to_do(tmp_path: Path) -> None:
    made = bench(tmp_path / "c", ScriptedTarget(Changed, Changed, Changed))
    made.run()
    assert made.run().attempts == []


def test_a_resume_tries_what_failed_anew(tmp_path: Path) -> None:
    made = bench(tmp_path / "c", ScriptedTarget(*[Refused] * 5))
    first, second = (trial.name for trial in made.plan.trials)
    tries = [made.run().attempts for _ in range(3)]
    assert tries[0] == [*((first, number) for number in (1, 2, 3)), (second, 1)]
    assert tries[1] == [(first, 4), (first, 5), (second, 2)]
    assert tries[2] == []


def test_a_variant_that_only_ever_failed_is_tried_once_a_trial(tmp_path: Path) -> None:
    """What keeps it down is not chance, and each try may cost a whole timeout."""
    made = bench(tmp_path / "c", ScriptedTarget(*[Refused] * 99), other(), repeats=4)
    tries = Counter(name for name, _ in made.run().attempts)
    assert [tries[trial.name] for trial in made.plan.trials if trial.variant.name == "fake"] == [3, 1, 1, 1]
    assert {tries[trial.name] for trial in made.plan.trials if trial.variant.name == "other"} == {1}


def test_a_full_disk_ends_it_readable_and_a_resume_finishes_it(tmp_path: Path) -> None:
    made = bench(tmp_path / "c", FakeTarget(), other())
    third = made.plan.trials[2].name
    full = made.folder.trial_folder(f"{third}-a1") / "samples.parquet.partial"
    full.symlink_to("/dev/full")
    with pytest.raises(StoreError) as caught:
        made.run()
    assert "tare run --resume" in caught.value.remedy
    assert len(load(made.path).trials) == 2

    full.unlink(missing_ok=True)
    told = made.run()
    assert [name for name, _ in told.attempts] == [trial.name for trial in made.plan.trials[2:]]
    assert load(made.path).trials["counts"].sum() == 4


def test_a_floor_that_cannot_be_measured_ends_it_before_the_first_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_self: Bench, _rate_rps: float) -> None:
        raise LoadError("the null service did not start", "see `tare doctor`")

    made = bench(tmp_path / "c")
    with monkeypatch.context() as patched:
        patched.setattr(Bench, "_floor", fail)
        with pytest.raises(LoadError, match="null service"):
            made.run()
    assert made.folder.trials() == []
    assert len(made.run().attempts) == 2


class Stop(BaseException):
    """The process dies here."""


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_however_often_it_is_killed_every_trial_is_settled_and_no_valid_one_repeated(
    monkeypatch: pytest.MonkeyPatch, data: st.DataObject
) -> None:
    """Attempts end as drawn; the process dies before attempts as drawn; the folder is all that survives it."""
    runs = 0
    outcomes: dict[tuple[int, str], set[str]] = defaultdict(set)
    tries: dict[str, list[tuple[int, int]]] = defaultdict(list)
    invalid: dict[str, set[int]] = defaultdict(set)
    blocks: list[tuple[int, int]] = []

    def attempt(planned: PlannedTrial, number: int, _rate: float | None, setting: Setting) -> TrialRecord:
        ending = data.draw(st.sampled_from(["valid", "valid", "invalid", "failed", "killed"]))
        if ending == "killed":
            raise Stop
        tries[planned.name].append((number, runs))
        outcomes[runs, planned.variant.name].add(ending)
        blocks.append((runs, planned.block))
        if ending == "invalid":
            invalid[planned.name].add(number)
        failure = Failure(kind="DeployError", what="It broke.", remedy="Mend it.") if ending == "failed" else None
        return TrialRecord(
            kind=planned.kind,
            trial=planned.name,
            block=planned.block,
            position=planned.position,
            attempt=number,
            variant=variant_id(planned.variant),
            level="100 rps",
            accelerator="none",
            artifact_digest=setting.digest_of(planned.variant.topology),
            started_utc="2026-11-24T00:00:00+00:00",
            outcome="failed" if failure else "ok",
            failure=failure,
            invalid=("drawn",) if ending == "invalid" else (),
        )

    monkeypatch.setattr(module, "run_attempt", attempt)
    with tempfile.TemporaryDirectory() as folder:
        made = bench(Path(folder) / "c", FakeTarget(), other())
        finished = False
        while not finished:
            runs += 1
            try:
                made.run()
                finished = True
            except Stop:
                continue
        records = CampaignFolder.open(made.path).trials()
    for name, attempts in groupby(sorted(records, key=lambda record: record.trial), key=lambda record: record.trial):
        verdicts = [record.valid for record in attempts]
        assert [number for number, _ in tries[name]] == list(range(1, len(verdicts) + 1)), name
        assert not any(verdicts[:-1])
        in_last_run = sum(run == runs for _, run in tries[name])
        invalid_before = sum(run < runs and number in invalid[name] for number, run in tries[name])
        assert len(invalid[name]) <= MAX_ATTEMPTS
        assert max(Counter(run for _, run in tries[name]).values()) <= MAX_ATTEMPTS
        down = in_last_run and outcomes[runs, name.rpartition("-")[2]] == {"failed"}
        assert verdicts[-1] or down or invalid_before + in_last_run == MAX_ATTEMPTS
    assert blocks == sorted(blocks)
