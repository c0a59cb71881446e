"""Random interleaved blocks: every block holds every cell once, and a seed gives one plan."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.planning.estimate import expected_s
from harness.planning.plan import (
    AtCapacity,
    AtRate,
    PlannedTrial,
    RateLevel,
    ReplayLevel,
    ReplayOf,
    ShareLevel,
    demand_of,
    levels,
    plan,
)
from harness.spec.experiment import Experiment
from harness.spec.files import experiment_of

TARGETS = ("process", "container", "vm", "fake")


def experiment(
    targets: tuple[str, ...] = ("process", "container", "vm"),
    *,
    aa: str | None = None,
    repeats: int = 3,
    seed: int = 1,
    rates: tuple[float, ...] = (),
    shares: tuple[float, ...] = (),
) -> Experiment:
    load = {"capacity_shares": shares} if shares else {"rates_rps": rates or (100.0,)}
    return experiment_of(
        "a test",
        {
            "name": "test",
            "question": "?",
            "workload": "hello",
            "matrix": {"targets": targets, "aa": aa},
            "baseline": targets[0],
            "repeats": repeats,
            "seed": seed,
            "load": load,
        },
    )


@st.composite
def experiments(draw: st.DrawFn) -> Experiment:
    targets = tuple(draw(st.lists(st.sampled_from(TARGETS), min_size=1, unique=True)))
    grades = tuple(draw(st.lists(st.sampled_from([0.3, 0.5, 0.505, 0.7, 1.0]), min_size=1, max_size=3, unique=True)))
    share = draw(st.booleans())
    return experiment(
        targets,
        aa=draw(st.sampled_from([None, *targets])),
        repeats=draw(st.integers(1, 6)),
        seed=draw(st.integers(0, 2**63 - 1)),
        rates=() if share else grades,
        shares=grades if share else (),
    )


def cell(trial: PlannedTrial) -> tuple[str, str]:
    assert trial.level is not None
    return trial.variant.name, trial.level.name


@given(experiments())
def test_every_block_holds_every_cell_once(spec: Experiment) -> None:
    made = plan(spec)
    measured = [trial for trial in made.trials if trial.kind == "measured"]
    cells = sorted((variant.name, level.name) for variant in made.variants for level in made.levels)
    assert len(cells) == len(set(cells))
    for block in range(1, spec.repeats + 1):
        mine = [trial for trial in measured if trial.block == block]
        assert sorted(map(cell, mine)) == cells
        assert [trial.position for trial in mine] == list(range(1, len(cells) + 1))
    assert len(measured) == spec.repeats * len(cells)


@given(experiments())
def test_blocks_follow_each_other_and_names_are_unique(spec: Experiment) -> None:
    made = plan(spec)
    blocks = [trial.block for trial in made.trials]
    assert blocks == sorted(blocks)
    assert made.blocks == tuple(sorted(set(blocks)))
    assert len({trial.name for trial in made.trials}) == len(made.trials)


@given(experiments())
def test_the_same_seed_gives_the_same_plan_and_nothing_else_is_drawn_from(spec: Experiment) -> None:
    before = random.getstate()
    assert plan(spec) == plan(spec)
    assert random.getstate() == before


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
def test_another_seed_gives_another_order_somewhere(one: int, other: int) -> None:
    first, second = plan(experiment(repeats=30, seed=one)), plan(experiment(repeats=30, seed=other))
    assert (list(map(cell, first.trials)) == list(map(cell, second.trials))) is (one == other)


@given(experiments())
def test_a_calibration_comes_first_where_rates_are_shares(spec: Experiment) -> None:
    made = plan(spec)
    calibrations = [trial for trial in made.trials if trial.kind == "calibration"]
    assert bool(calibrations) is bool(spec.load.capacity_shares)
    assert list(made.trials[: len(calibrations)]) == calibrations
    if calibrations:
        # The second of an A/A pair has the first's capacity.
        assert sorted(trial.variant.target for trial in calibrations) == sorted(spec.matrix.targets)
    for trial in calibrations:
        assert (trial.block, trial.level, trial.variant.aa) == (0, None, False)


@given(experiments())
def test_the_second_of_a_pair_differs_in_name_alone(spec: Experiment) -> None:
    found = spec.variants
    pair = [variant for variant in found if variant.aa]
    assert [variant.target for variant in pair] == ([spec.matrix.aa] if spec.matrix.aa else [])
    for variant in pair:
        first = found[found.index(variant) - 1]
        assert variant.name == f"{first.name}-aa"
        assert (variant.target, variant.workload, variant.proxy) == (first.target, first.workload, first.proxy)
    assert tuple(variant.target for variant in found if not variant.aa) == spec.matrix.targets


def test_every_cell_comes_first_equally_often() -> None:
    """1,000 blocks of three cells: 333 each, with a standard deviation of 15."""
    made = plan(experiment(repeats=1000, seed=3))
    first = Counter(trial.variant.name for trial in made.trials if trial.position == 1)
    assert sum(first.values()) == 1000
    assert all(abs(count - 1000 / 3) < 60 for count in first.values())


def test_only_some_variants_may_be_planned() -> None:
    spec = experiment(aa="process", shares=(0.5,))
    second = next(variant for variant in spec.variants if variant.aa)
    made = plan(spec, [second])
    # Its capacity has to come from somewhere.
    assert [(trial.kind, trial.variant) for trial in made.trials] == [
        ("calibration", second),
        *[("measured", second)] * 3,
    ]


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        (experiment(rates=(100.0, 12.5)), ["100 rps", "12.5 rps"]),
        (experiment(shares=(0.3, 0.7, 0.505)), ["30% of capacity", "70% of capacity", "50.5% of capacity"]),
    ],
)
def test_levels_are_named_for_a_person(spec: Experiment, names: list[str]) -> None:
    assert [level.name for level in levels(spec)] == names
    kind = ShareLevel if spec.load.capacity_shares else RateLevel
    assert {type(level) for level in levels(spec)} == {kind}


def test_a_name_tells_block_position_variant_and_level() -> None:
    trial = plan(experiment(("vm",), rates=(1.0, 2.0), repeats=1)).trials[0]
    assert isinstance(trial.level, RateLevel)
    assert trial.name == f"b1-01-vm-l{1 if trial.level.rate_rps == 1.0 else 2}"
    assert plan(experiment(("vm",), repeats=1)).trials[0].name == "b1-01-vm"


def test_a_demand_is_the_rate_found_for_the_level_or_the_capacity() -> None:
    trials = plan(experiment(("vm",), shares=(0.5,), repeats=1)).trials
    assert [demand_of(trial, {"50% of capacity": 40.0}) for trial in trials] == [AtCapacity(), AtRate(40.0)]


def test_the_time_that_a_trial_takes_is_what_it_waits_for_and_a_guess() -> None:
    spec = experiment(("process", "vm"), shares=(0.5,))
    seconds = {(trial.kind, trial.variant.target): expected_s(trial, spec) for trial in plan(spec).trials}
    load = spec.load
    assert seconds["measured", "process"] > load.warmup_s + load.duration_s + load.capacity_s + spec.settle_s
    assert seconds["calibration", "process"] > load.warmup_s + load.capacity_s
    assert seconds["calibration", "process"] < seconds["measured", "process"] < seconds["measured", "vm"]


def replayed(**changes: object) -> Experiment:
    sequence = {"requests": 10_000, "objects": 100, "exponent": 1}
    data: dict[str, object] = {
        "name": "test",
        "question": "?",
        "workload": "static",
        "matrix": {"targets": ["process"], "proxies": ["direct", "cache"]},
        "proxies": {"cache": {"kind": "varnish"}},
        "baseline": "process",
        "sequences": {"steady": sequence, "drifting": {**sequence, "drift": 0.1}},
        "load": {"replay": {"requests": 5000, "warmup": 1000}},
    }
    return experiment_of("a test", data | changes)


def test_every_sequence_of_a_replay_is_a_level() -> None:
    spec = replayed()
    made = plan(spec)
    assert made.levels == (ReplayLevel("steady"), ReplayLevel("drifting"))
    assert {demand_of(trial, {}) for trial in made.trials} == {ReplayOf("steady"), ReplayOf("drifting")}
    assert {trial.kind for trial in made.trials} == {"measured"}
    assert len(made.trials) == spec.repeats * 4
    shorter = replayed(load={"replay": {"requests": 100}})
    assert expected_s(made.trials[0], spec) > expected_s(plan(shorter).trials[0], shorter)


def test_a_warm_proxy_takes_its_time_before_the_load() -> None:
    spec = replayed(prefill=5000, proxies={"cache": {"kind": "varnish", "warm": True}})
    seconds = {trial.variant.proxy: expected_s(trial, spec) for trial in plan(spec).trials}
    assert seconds["cache"] > seconds["direct"]


def test_after_events_no_capacity_is_waited_for() -> None:
    events = [{"kind": "kill", "route": "/", "before_s": 1, "watch_s": 1}]
    spec = experiment_of("a test", {**experiment().model_dump(exclude_none=True), "events": events})
    found, plain = (expected_s(plan(each).trials[0], each) for each in (spec, experiment()))
    assert found == plain + 2 - spec.load.capacity_s
