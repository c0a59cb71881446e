"""What the generator is told: regions, the sequence and where it begins, what is filled beforehand, a replay."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from harness.load.plan import CapacityPhase, ClosedLoop, LoadPlan, OpenLoop, Prefill, Replay, SequencePlan
from harness.planning.plan import PlannedTrial, RateLevel, demand_of
from harness.spec.sequence import SequenceSpec
from harness.trial.arrangement import lay_out
from harness.trial.layout import Layout
from harness.trial.load_plan import MISSES_OF_CAPACITY, TAIL_S, load_plan
from tests.support.fake_regions import CATALOGUE, SEQUENCE, FakeCache, FarLab, StillCore, cdn_bench
from tests.support.fake_sets import SetBench, WideLab

ZIPF = SequenceSpec.model_validate(SEQUENCE)


def told(made: SetBench, trial: PlannedTrial | None = None) -> LoadPlan:
    planned = trial or made.plan.trials[0]
    demand = demand_of(planned, {planned.level_name: 50.0})
    return load_plan(planned, demand, made.setting, lay_out_of(made, planned), made.path.absolute())


def lay_out_of(made: SetBench, trial: PlannedTrial | None = None) -> Layout:
    geography = made.spec.geography
    lab = WideLab("tare-x") if geography is None else FarLab("tare-x", geography, StillCore())
    return lay_out((trial or made.plan.trials[0]).variant, made.setting, lab, made.path)


def test_regions_and_what_the_caches_say_are_told(tmp_path: Path) -> None:
    found = told(cdn_bench(tmp_path / "c", FakeCache(tmp_path)))
    assert found.targets.region_names == ("near", "far", "farther")
    assert found.targets.routes == found.targets.regions[0].entries[0]
    assert found.outcome_header == ("X-Cache", (("hit", "hit"), ("miss", "miss")))
    assert isinstance(found.load, OpenLoop)
    assert (found.load.schedule.rate_rps, found.load.tail_s, found.prefill) == (50.0, TAIL_S, None)
    # Nothing is said of the order of the objects, so the workload's own popularity counts.
    assert found.sequence == SequencePlan(CATALOGUE.spec, None, 0)
    assert LoadPlan.from_json(found.to_json()) == found


def prefilled(path: Path, proxy: FakeCache | None, **table: object) -> SetBench:
    return cdn_bench(path, proxy, spec=table, sequences={"zipf": SEQUENCE}, prefill=300)


def test_only_a_warm_proxy_is_asked_beforehand_and_the_load_goes_on_after_it_for_all(tmp_path: Path) -> None:
    warm = told(prefilled(tmp_path / "w", FakeCache(tmp_path), warm=True))
    cold = told(prefilled(tmp_path / "c", FakeCache(tmp_path)))
    none = told(prefilled(tmp_path / "n", None))
    users = prefilled(tmp_path / "u", None).spec.load.closed_users
    assert [plan.prefill for plan in (warm, cold, none)] == [Prefill(300, users), None, None]
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
    plans = {trial.level_name: told(made, trial) for trial in made.plan.trials}
    assert {name: plan.load for name, plan in plans.items()} == {
        "zipf": Replay(SequencePlan(CATALOGUE.spec, ZIPF, 0), 400, 100, 2),
        "drifting": Replay(SequencePlan(CATALOGUE.spec, SequenceSpec.model_validate(drifting), 0), 400, 100, 2),
    }


def test_a_cache_that_makes_room_now_and_then_is_replayed_slowly_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = count()

    def pace(makes_room_s: float) -> float:
        monkeypatch.setattr(FakeCache, "makes_room_s", makes_room_s)
        made = cdn_bench(
            tmp_path / f"{next(numbers)}", FakeCache(tmp_path),
            sequences={"zipf": SEQUENCE}, geography=None, repeats=1,
            load={"replay": {"requests": 400, "warmup": 100}},
        )  # fmt: skip
        capacity = lay_out_of(made).caches[0].size_bytes
        made_load = told(made).load
        assert isinstance(made_load, Replay)
        found = made_load.miss_bytes_per_s
        assert found in {0.0, MISSES_OF_CAPACITY * capacity / max(makes_room_s, 0.1)}
        return found

    assert pace(1.0) == pytest.approx(2 * pace(2.0))
    assert pace(1.0) > 0
    assert pace(0.0) == 0


def test_a_calibration_is_a_closed_loop_without_events(tmp_path: Path) -> None:
    events = [{"kind": "kill", "service": "proxy-far"}]
    made = cdn_bench(tmp_path / "c", FakeCache(tmp_path), events=events)
    calibration = PlannedTrial("c", "calibration", 0, 1, made.variant, None)
    spec = made.spec.load
    capacity = CapacityPhase(spec.closed_users, spec.capacity_s)
    found = told(made, calibration)
    assert found.load == ClosedLoop(capacity, spec.warmup_s, found.sequence)
    measured = told(made, PlannedTrial("m", "measured", 1, 1, made.variant, RateLevel("50 rps", 50))).load
    assert isinstance(measured, OpenLoop)
    assert (measured.tail_s, measured.capacity) == (TAIL_S + made.spec.events[0].slot_s, None)
    quiet = told(cdn_bench(tmp_path / "q", FakeCache(tmp_path))).load
    assert isinstance(quiet, OpenLoop)
    assert quiet.capacity == capacity
