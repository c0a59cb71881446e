"""A whole campaign over fakes: from the plan to the figures."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from harness.analysis import load
from harness.errors import LoadError
from harness.load.plan import ClosedLoop, LoadPlan, OpenLoop
from harness.output.as_json.campaign import show_json
from harness.records.load import NullFloor
from reports.html import write_report
from tests.support.fake_campaign import CALIBRATED, DIGEST, Bench, bench
from tests.support.fake_instances import Changed, Good, Refused, ScriptedTarget
from tests.support.fake_instruments import null_floor
from tests.support.fakes import FakeTarget

pytestmark = pytest.mark.usefixtures("still_host")


def other(*kinds: type[Good] | type[Refused] | type[Changed]) -> ScriptedTarget:
    return ScriptedTarget(*kinds, name="other")


def test_the_whole_path_goes_from_the_plan_to_the_report(tmp_path: Path) -> None:
    made = bench(
        tmp_path / "c", FakeTarget(), other(), matrix={"targets": ["fake", "other"], "aa": "fake"}, **CALIBRATED
    )
    made.run()
    found = load(made.path)
    shown = show_json(found)
    report = write_report(found, tmp_path / "report.html")
    cells = shown["variants"]
    assert isinstance(cells, list)
    assert {cell["name"]: (cell["trials"], cell["valid"]) for cell in cells} == {
        "fake": (2, 2), "fake-aa": (2, 2), "other": (2, 2),
    }  # fmt: skip
    assert all({"startup_s", "memory_mib", "latency_p50_ms", "achieved_rps"} <= set(cell["metrics"]) for cell in cells)
    assert "What does a fake weigh?" in report.read_text("utf-8")


def test_trials_run_in_the_order_of_the_plan_and_their_rate_is_a_share_of_the_slowest_capacity(tmp_path: Path) -> None:
    made = bench(tmp_path / "c", FakeTarget(), other(), **CALIBRATED)
    told = made.run()
    assert [name for name, _ in told.attempts] == [trial.name for trial in made.plan.trials]
    assert told.left == list(reversed(range(len(made.plan.trials))))
    levels = made.folder.levels()
    assert levels is not None
    rate = min(levels.capacities_rps.values()) / 2
    assert levels.rates_rps == {"50% of capacity": rate}
    loads = [plan.load for plan in made.instruments.plans[2:]]
    assert {load.schedule.rate_rps for load in loads if isinstance(load, OpenLoop)} == {rate}
    assert all(isinstance(load, OpenLoop) for load in loads)
    assert told.calibrations == 1
    assert made.floors == [rate]
    floor = made.folder.null_floor()
    assert floor is not None
    assert floor.rate_rps == rate


def test_the_rate_follows_the_slowest_variant(tmp_path: Path) -> None:
    calibrating = False
    answers = count()

    def load_begins(plan: LoadPlan) -> None:
        nonlocal calibrating
        calibrating = isinstance(plan.load, ClosedLoop)

    def every_second(*_request: object) -> tuple[int, bytes]:
        return (500 if calibrating and next(answers) % 2 else 200), b""

    slow = ScriptedTarget(name="other", answer=every_second)
    made = bench(tmp_path / "c", FakeTarget(), slow, repeats=1, **CALIBRATED)
    made.instruments.meanwhile = load_begins
    made.run()
    levels = made.folder.levels()
    assert levels is not None
    assert levels.capacities_rps["other"] == levels.capacities_rps["fake"] / 2
    assert levels.rates_rps["50% of capacity"] == levels.capacities_rps["other"] / 2


def test_the_floor_is_measured_at_the_highest_rate(tmp_path: Path) -> None:
    made = bench(tmp_path / "c", load={"rates_rps": [20, 80, 40], "duration_s": 0.01, "warmup_s": 0})
    made.run()
    assert made.floors == [80]
    assert len(made.plan.trials) == 6


@pytest.mark.parametrize("limit", [1e9, 60.0, 0.0])
def test_shares_of_a_capacity_are_lowered_until_the_generator_keeps_twice_the_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: float
) -> None:
    def floor(self: Bench, rate_rps: float) -> NullFloor:
        self.floors.append(rate_rps)
        return replace(null_floor(rate_rps), highest_rate_rps=limit)

    monkeypatch.setattr(Bench, "_floor", floor)
    made = bench(tmp_path / "c", FakeTarget(), other(), repeats=1, **CALIBRATED)
    made.run()
    levels = made.folder.levels()
    assert levels is not None
    wanted = min(levels.capacities_rps.values()) / 2
    rate = levels.rates_rps["50% of capacity"]
    assert levels.limited_by_generator == (wanted * 2 > limit)
    assert made.floors[0] == wanted
    assert made.floors[-1] == rate, "the floor that counts is that of the rate in force"
    assert rate == {1e9: wanted, 60.0: 30.0, 0.0: wanted / 4**4}[limit]


def test_rates_that_the_experiment_names_are_never_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bench, "_floor", lambda _self, rate: replace(null_floor(rate), highest_rate_rps=0.0))
    made = bench(tmp_path / "c")
    made.run()
    levels = made.folder.levels()
    assert levels is not None
    assert levels.rates_rps == {"100 rps": 100}
    assert not levels.limited_by_generator


@pytest.mark.parametrize("kind", [Refused, Changed])
def test_an_attempt_that_does_not_count_is_made_again_at_the_end_of_its_block(
    tmp_path: Path, kind: type[Refused] | type[Changed]
) -> None:
    made = bench(tmp_path / "c", ScriptedTarget(kind), other())
    told = made.run()
    first_block = sorted(trial.name for trial in made.plan.trials if trial.block == 1)
    tried = [(name, number) for name, number in told.attempts if name.startswith("b1")]
    again = next(name for name in first_block if name.endswith("-fake"))
    assert sorted(tried) == sorted([(again, 1), (again, 2), *((name, 1) for name in first_block if name != again)])
    assert tried[-1] == (again, 2)
    assert len(told.attempts) == len(made.plan.trials) + 1
    found = load(made.path)
    assert found.trials["counts"].sum() == len(made.plan.trials)


def test_at_most_twice_and_then_the_campaign_goes_on(tmp_path: Path) -> None:
    made = bench(tmp_path / "c", ScriptedTarget(Refused, Refused, Refused), other())
    told = made.run()
    assert Counter(record.outcome for record in told.records) == {"failed": 3, "ok": 3}
    failing = {record.trial for record in told.records if record.outcome == "failed"}
    assert len(failing) == 1
    assert [record.attempt for record in told.records if record.trial in failing] == [1, 2, 3]
    assert {record.block for record in told.records if record.valid} == {1, 2}
    assert len(load(made.path).trials) == 6


def test_a_variant_that_cannot_be_calibrated_leaves_the_level_to_the_others(tmp_path: Path) -> None:
    made = bench(tmp_path / "c", ScriptedTarget(Refused, Refused, Refused), other(), **CALIBRATED)
    told = made.run()
    levels = made.folder.levels()
    assert levels is not None
    assert set(levels.capacities_rps) == {"other"}
    assert levels.rates_rps["50% of capacity"] == levels.capacities_rps["other"] / 2
    assert Counter(record.trial for record in told.records)["calibrate-fake"] == 3
    assert sum(record.valid for record in told.records if record.kind == "measured") == 4


def test_without_any_capacity_there_is_no_load_level_and_the_first_failure_is_told(tmp_path: Path) -> None:
    made = bench(tmp_path / "c", ScriptedTarget(*[Refused] * 3), other(*[Refused] * 3), **CALIBRATED)
    with pytest.raises(LoadError) as caught:
        made.run()
    assert caught.value.what == "No variant answered under load, so no load level can be set."
    (note,) = caught.value.notes
    assert note == "The fake engine refused. Ask it why.\nthe engine's last line"
    assert made.floors == []
    assert {record.kind for record in made.folder.trials()} == {"calibration"}


def test_a_service_that_answers_nothing_under_load_has_no_capacity(tmp_path: Path) -> None:
    loaded = False

    def load_begins(_plan: LoadPlan) -> None:
        nonlocal loaded
        loaded = True

    made = bench(tmp_path / "c", FakeTarget(lambda *_request: (500 if loaded else 200, b"")), **CALIBRATED)
    made.instruments.meanwhile = load_begins
    with pytest.raises(LoadError, match="no load level"):
        made.run()


def test_the_record_names_the_artifact_that_ran(tmp_path: Path) -> None:
    made = bench(tmp_path / "c")
    made.run()
    assert {record.artifact_digest for record in made.folder.trials()} == {DIGEST}
