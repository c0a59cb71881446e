"""What the generator is told: regions, the sequence and where it begins, what is filled beforehand, a replay."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from harness.deployment.driving import MISSES_OF_CAPACITY, TAIL_S, load_plan
from harness.deployment.layout import lay_out
from harness.deployment.places import Layout
from harness.load.plan.load_plan import LoadPlan, SequencePlan
from harness.plan import LoadLevel, PlannedTrial
from harness.spec.sequence import SequenceSpec
from tests.support.fake_regions import CATALOGUE, SEQUENCE, FakeCache, FarLab, StillCore, cdn_bench
from tests.support.fake_sets import SetBench, WideLab

ZIPF = SequenceSpec.model_validate(SEQUENCE)


def told(made: SetBench, trial: PlannedTrial | None = None, rate_rps: float | None = 50.0) -> LoadPlan:
    planned = trial or made.plan.trials[0]
    return load_plan(planned, rate_rps, made.setting, lay_out_of(made, planned), made.path.absolute())


def lay_out_of(made: SetBench, trial: PlannedTrial | None = None) -> Layout:
    geography = made.spec.geography
    lab = WideLab("tare-x") if geography is None else FarLab("tare-x", geography, StillCore())
    return lay_out((trial or made.plan.trials[0]).variant, made.setting, lab, made.path)


def test_regions_and_what_the_caches_say_are_told(tmp_path: Path) -> None:
    found = told(cdn_bench(tmp_path / "c", FakeCache(tmp_path)))
    assert [region.name for region in found.regions] == ["near", "far", "farther"]
    assert found.routes == found.regions[0].entries[0]
    assert found.outcome_header == ("X-Cache", (("hit", "hit"), ("miss", "miss")))
    assert (found.mode, found.rate_rps, found.tail_s, found.prefill) == ("open", 50.0, TAIL_S, 0)
    # Nothing is said of the order of the objects, so the workload's own popularity counts.
    assert found.sequence == SequencePlan(CATALOGUE.spec, None, 0)
    assert LoadPlan.from_json(found.to_json()) == found


def prefilled(path: Path, front: FakeCache | None, **table: object) -> SetBench:
    return cdn_bench(path, front, spec=table, sequences={"zipf": SEQUENCE}, prefill=300)


def test_only_a_warm_front_is_asked_beforehand_and_the_load_goes_on_after_it_for_all(tmp_path: Path) -> None:
    warm = told(prefilled(tmp_path / "w", FakeCache(tmp_path), warm=True))
    cold = told(prefilled(tmp_path / "c", FakeCache(tmp_path)))
    none = told(prefilled(tmp_path / "n", None))
    assert [plan.prefill for plan in (warm, cold, none)] == [300, 0, 0]
    assert {plan.sequence for plan in (warm, cold, none)} == {SequencePlan(CATALOGUE.spec, ZIPF, 300)}
    assert none.outcome_header is None


def test_a_workload_without_objects_has_no_sequence(tmp_path: Path) -> None:
    made = cdn_bench(tmp_path / "c", None)
    made.catalogue = None
    assert told(made).sequence is None


def test_a_replay_asks_for_its_levels_sequence(tmp_path: Path) -> None:
    drifting = {**SEQUENCE, "drift": 0.5}
    made = cdn_bench(
        tmp_path / "c", FakeCache(tmp_path),
        sequences={"zipf": SEQUENCE, "drifting": drifting}, geography=None, repeats=1,
        load={"replay": {"requests": 400, "warmup": 100, "users": 2}},
    )  # fmt: skip
    plans = {trial.level.name: told(made, trial, None) for trial in made.plan.trials if trial.level}
    assert {plan.mode for plan in plans.values()} == {"replay"}
    assert {(plan.replay_requests, plan.replay_warmup, plan.replay_users) for plan in plans.values()} == {(400, 100, 2)}
    assert plans["zipf"].sequence == SequencePlan(CATALOGUE.spec, ZIPF, 0)
    assert plans["drifting"].sequence == SequencePlan(CATALOGUE.spec, SequenceSpec.model_validate(drifting), 0)
    assert {plan.tail_s for plan in plans.values()} == {0.0}


def test_a_cache_that_makes_room_now_and_then_is_replayed_slowly_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = count()

    def pace(makes_room_s: float, **load: object) -> float:
        monkeypatch.setattr(FakeCache, "makes_room_s", makes_room_s)
        made = cdn_bench(
            tmp_path / f"{next(numbers)}", FakeCache(tmp_path),
            sequences={"zipf": SEQUENCE}, geography=None, repeats=1, load=load,
        )  # fmt: skip
        capacity = lay_out_of(made).caches[0].size_bytes
        found = told(made, None, None if "replay" in load else 50.0).miss_bytes_per_s
        assert found in {0.0, MISSES_OF_CAPACITY * capacity / max(makes_room_s, 0.1)}
        return found

    replay = {"replay": {"requests": 400, "warmup": 100}}
    assert pace(1.0, **replay) == pytest.approx(2 * pace(2.0, **replay))
    assert pace(1.0, **replay) > 0
    assert pace(0.0, **replay) == 0
    assert pace(1.0, rates_rps=[50], duration_s=1) == 0


def test_a_calibration_is_a_closed_loop_without_events(tmp_path: Path) -> None:
    events = [{"kind": "kill", "service": "front-far"}]
    made = cdn_bench(tmp_path / "c", FakeCache(tmp_path), events=events)
    calibration = PlannedTrial("c", "calibration", 0, 1, made.variant, None)
    found = told(made, calibration, None)
    assert (found.mode, found.tail_s, found.capacity_s) == ("closed", 0.0, 0.0)
    measured = PlannedTrial("m", "measured", 1, 1, made.variant, LoadLevel("50 rps", 50, False))
    assert told(made, measured).tail_s == TAIL_S + made.spec.events[0].slot_s
