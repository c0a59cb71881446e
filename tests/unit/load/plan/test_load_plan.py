from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.plan import (
    CapacityPhase,
    ClosedLoop,
    Load,
    LoadPlan,
    OpenLoop,
    Pool,
    Prefill,
    Ramp,
    RegionPlan,
    Replay,
    Schedule,
    SequencePlan,
    Targets,
    TaskSource,
    Windows,
)
from harness.load.plan.windows import CAPACITY_GAP_NS
from harness.spec.route import Route, Way
from harness.spec.sequence import CatalogueSpec, SequenceSpec, TraceSpec

ROUTE = Route("/", "127.0.0.1", 80)
OTHER = Route("/", "127.0.0.2", 80)
REGIONS = (
    RegionPlan("near", 3, "tare-near", ((ROUTE,), (OTHER,))),
    RegionPlan("far", 0.5, None, ((OTHER,),), home=False),
)
TARGETS = Targets((ROUTE,))
SEQUENCE = SequencePlan(CatalogueSpec(objects=10), SequenceSpec(requests=99, objects=10, exponent=0.8, seed=2**62), 5)
SCHEDULE = Schedule(10, 2, warmup_s=1)
OPEN = OpenLoop(SCHEDULE, tail_s=0.5)
REPLAY = Replay(SEQUENCE, 600, users=2)
HEADER = ("X-Cache", (("hit", "hit"), ("", "pass")))
PLAN = LoadPlan(TARGETS, OPEN, "/s.bin")

positive = st.floats(1e-3, 1e6)
not_negative = st.floats(0, 1e6)
counts = st.integers(1, 10_000)
schedules = st.builds(Schedule, positive, positive, not_negative, st.sampled_from(["poisson", "constant"]))
pools = st.builds(Pool, counts, st.booleans())
capacities = st.builds(CapacityPhase, counts, positive)
requests = st.sampled_from([SEQUENCE.requests, TraceSpec(trace="/t.csv", max_bad=3), None])
sequences = st.builds(SequencePlan, st.builds(CatalogueSpec, objects=counts), requests, st.integers(0, 10**9))


@st.composite
def replays(draw: st.DrawFn) -> Replay:
    made, warmup = draw(counts), draw(st.integers(0, 10_000))
    return Replay(draw(sequences), warmup + made, warmup, draw(counts), draw(not_negative))


loads: st.SearchStrategy[Load] = st.one_of(
    st.builds(OpenLoop, schedules, pools, not_negative, st.none() | capacities, st.none() | sequences),
    st.builds(ClosedLoop, capacities, not_negative, st.none() | sequences),
    st.builds(Ramp, schedules, st.lists(positive, min_size=1).map(tuple), pools, positive, counts),
    replays(),
)
targets = st.sampled_from(
    [
        TARGETS,
        Targets((ROUTE, Route("/pay", "198.18.0.3", 81)), Way("/ca.pem", ("198.18.0.4", 3128))),
        Targets((ROUTE,), regions=REGIONS, failover_s=0.25),
    ]
)
tasks = st.builds(TaskSource, st.sampled_from([None, "/l.py"]), st.text(), st.integers(100, 599), st.none() | st.text())


@given(load=loads, targets=targets, tasks=tasks, seed=st.integers(0, 2**70), data=st.data())
def test_what_is_written_is_read(
    load: Load, targets: Targets, tasks: TaskSource, seed: int, data: st.DataObject
) -> None:
    start = load.sequence.start if load.sequence else 0
    prefill = data.draw(st.none() | st.builds(Prefill, st.integers(1, start), counts)) if start else None
    plan = LoadPlan(targets, load, "/s.bin", tasks, seed, prefill=prefill, outcome_header=HEADER)
    read = LoadPlan.from_json(plan.to_json())
    assert read == plan
    assert type(read.load) is type(load)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data.update(speed=1),
        lambda data: data["load"].update(speed=1),
        lambda data: data["load"]["schedule"].update(rate_rps=0),
        lambda data: data["load"].update(kind="replay"),
        lambda data: data["load"].pop("kind"),
        lambda data: data["targets"]["routes"][0].update(ip="localhost"),
        lambda data: data.pop("samples"),
    ],
)
def test_what_is_no_plan_is_refused(spoil: Callable[[dict[str, Any]], object]) -> None:
    data = json.loads(PLAN.to_json())
    spoil(data)
    with pytest.raises(ValueError, match="validation error"):
        LoadPlan.from_json(json.dumps(data))


@pytest.mark.parametrize("text", ["[]", "{"])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="validation error"):
        LoadPlan.from_json(text)


@pytest.mark.parametrize(
    ("part", "change"),
    [
        (SCHEDULE, {"rate_rps": 0}),
        (SCHEDULE, {"duration_s": 0}),
        (SCHEDULE, {"warmup_s": -1}),
        (OPEN, {"tail_s": -1}),
        (Pool(), {"max_in_flight": 0}),
        (CapacityPhase(1, 1), {"users": 0}),
        (CapacityPhase(1, 1), {"duration_s": 0}),
        (ClosedLoop(CapacityPhase(1, 1)), {"warmup_s": -1}),
        (Ramp(SCHEDULE, (1.0,)), {"rates_rps": ()}),
        (Ramp(SCHEDULE, (1.0,)), {"rates_rps": (1.0, 0.0)}),
        (Ramp(SCHEDULE, (1.0,)), {"step_s": 0}),
        (REPLAY, {"warmup": 600}),
        (REPLAY, {"warmup": -1}),
        (REPLAY, {"users": 0}),
        (REPLAY, {"miss_bytes_per_s": -1.0}),
        (Prefill(1, 1), {"requests": 0}),
        (Prefill(1, 1), {"users": 0}),
        (TARGETS, {"routes": ()}),
        (TARGETS, {"routes": (ROUTE, ROUTE)}),
        (TARGETS, {"routes": (Route("pay", "127.0.0.1", 80),)}),
        (TARGETS, {"routes": (Route("/", "localhost", 80),)}),
        (TARGETS, {"routes": (Route("/", "127.0.0.1", 0),)}),
        (TARGETS, {"way": Way(forward_proxy=("proxy.example", 3128))}),
        (TARGETS, {"way": Way(tls_ca="ca.pem")}),
        (TARGETS, {"regions": REGIONS, "way": Way(forward_proxy=("127.0.0.1", 3128))}),
        (TARGETS, {"regions": REGIONS[1:]}),  # routes are not its first entry
        (TARGETS, {"regions": REGIONS + REGIONS}),
        (TARGETS, {"regions": (replace(REGIONS[0], weight=0.0),)}),
        (TARGETS, {"failover_s": 0}),
        (TaskSource(), {"locustfile": "l.py"}),
        (PLAN, {"samples": "s.bin"}),
        (PLAN, {"timeout_s": 0}),
        (PLAN, {"prefill": Prefill(1, 1)}),
        (PLAN, {"prefill": Prefill(6, 1), "load": replace(OPEN, sequence=SEQUENCE)}),
        (PLAN, {"load": replace(REPLAY, miss_bytes_per_s=1.0)}),  # nothing tells what was missed
        (PLAN, {"outcome_header": ("x-cache", (("hit", "strike"),))}),
        (REGIONS[0], {"name": ""}),
        (REGIONS[0], {"weight": -1.0}),
        (REGIONS[0], {"entries": ()}),
        (REGIONS[0], {"entries": ((ROUTE,), ())}),
        (REGIONS[0], {"entries": ((ROUTE,) * 2,)}),
        (SEQUENCE, {"start": -1}),
        (SEQUENCE, {"requests": TraceSpec(trace="t.csv")}),
    ],
)
def test_what_cannot_be_run_is_refused(part: Any, change: dict[str, object]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (which of the rules is the parameter's business)
        replace(part, **change)


def test_every_load_says_how_many_tasks_can_be_under_way() -> None:
    capacity = CapacityPhase(300, 1)
    assert replace(OPEN, pool=Pool(5)).workers == 5
    assert replace(OPEN, pool=Pool(5), capacity=capacity).workers == 300
    assert ClosedLoop(capacity).workers == 300
    assert Ramp(SCHEDULE, (1.0,), Pool(7)).workers == 7
    assert REPLAY.workers == 2


def test_only_arrivals_wait_in_a_queue() -> None:
    waiting = Pool(1, queue=True)
    assert replace(OPEN, pool=waiting).queues
    assert Ramp(SCHEDULE, (1.0,), waiting).queues
    assert not OPEN.queues
    assert not ClosedLoop(CapacityPhase(1, 1)).queues
    assert not REPLAY.queues


def test_a_replay_has_a_limit_by_its_length_and_distance() -> None:
    assert REPLAY.limit_s(far=False) == 60 + 30
    assert REPLAY.limit_s(far=True) == 60 + 300
    paced = replace(REPLAY, miss_bytes_per_s=1e6)
    assert paced.limit_s(far=False) == 60 + 30 + 2 * 600 * SEQUENCE.catalogue.mean_bytes / 1e6
    assert PLAN.prepare_limit_s == 60
    assert replace(PLAN, load=replace(OPEN, sequence=SEQUENCE), prefill=Prefill(4, 2)).prepare_limit_s == 62


def test_windows_of_an_open_loop_with_capacity() -> None:
    windows = Windows.of(replace(PLAN, load=replace(OPEN, capacity=CapacityPhase(8, 3))), 10)
    assert windows.window_begin_ns == 10 + 1_000_000_000
    assert windows.window_end_ns == windows.window_begin_ns + 2_000_000_000
    assert windows.capacity_begin_ns == windows.window_end_ns + 500_000_000 + CAPACITY_GAP_NS
    assert windows.end_ns == windows.capacity_end_ns == windows.capacity_begin_ns + 3_000_000_000


def test_windows_of_the_other_loads() -> None:
    def windows(load: Load, targets: Targets = TARGETS) -> Windows:
        return Windows.of(replace(PLAN, load=load, targets=targets), 0)

    second = 10**9
    assert windows(OPEN) == Windows(0, second, 3 * second, round(3.5 * second))
    closed = ClosedLoop(CapacityPhase(8, 3), warmup_s=1)
    assert windows(closed) == Windows(0, second, 4 * second, 4 * second, second, 4 * second)
    # A second between two steps, for the last answers.
    assert windows(Ramp(SCHEDULE, (1.0, 2.0), step_s=1.5)) == Windows(0, second, 3 * second, 8 * second)
    assert windows(REPLAY) == Windows(0, 0, 90 * second, 90 * second)
    far = Targets((ROUTE,), regions=REGIONS)
    assert windows(REPLAY, far).end_ns == 360 * second


def test_importing_the_package_and_the_runner_does_not_import_locust() -> None:
    modules = "harness.load, harness.load.runner, harness.load.calibration.calibrate"
    code = f"import sys, {modules}; sys.exit('locust' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
