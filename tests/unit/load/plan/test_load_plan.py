from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from harness.load.plan.load_plan import LoadPlan, RegionPlan, SequencePlan
from harness.load.plan.windows import CAPACITY_GAP_NS, Windows
from harness.spec.route import Route
from harness.spec.sequence import CatalogueSpec, SequenceSpec, TraceSpec

ROUTE = Route("/", "127.0.0.1", 80)
OTHER = Route("/", "127.0.0.2", 80)
REGIONS = (
    RegionPlan("near", 3, "tare-near", ((ROUTE,), (OTHER,))),
    RegionPlan("far", 0.5, None, ((OTHER,),), home=False),
)
SEQUENCE = SequencePlan(CatalogueSpec(objects=10), SequenceSpec(requests=99, objects=10, exponent=0.8, seed=2**62), 5)
PLAN = LoadPlan(routes=(ROUTE,), samples="/s.bin", rate_rps=10, duration_s=2, warmup_s=1, tail_s=0.5)


def test_round_trip() -> None:
    plan = replace(
        PLAN, mode="ramp", ramp_rps=(1.0, 2.0), queue=True, routes=(ROUTE, Route("/pay", "198.18.0.3", 81)),
        tls_ca="/ca.pem", proxy=("198.18.0.4", 3128),
    )  # fmt: skip
    assert LoadPlan.from_json(plan.to_json()) == plan


@pytest.mark.parametrize("requests", [SEQUENCE.requests, TraceSpec(trace="/t.csv", max_bad=3), None])
def test_round_trip_of_a_replay_in_regions(requests: SequenceSpec | TraceSpec | None) -> None:
    plan = replace(
        PLAN, mode="replay", replay_requests=9, replay_warmup=2, replay_users=3, regions=REGIONS, prefill=4,
        sequence=replace(SEQUENCE, requests=requests), outcome_header=("x-cache", (("hit", "hit"), ("", "pass"))),
    )  # fmt: skip
    assert LoadPlan.from_json(plan.to_json()) == plan


@pytest.mark.parametrize("text", ["[]", '{"ip": "x", "speed": 1}', "{"])
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (JSON's own message differs between Pythons)
        LoadPlan.from_json(text)


@pytest.mark.parametrize(
    "change",
    [
        {"rate_rps": 0},
        {"duration_s": 0},
        {"tail_s": -1},
        {"max_in_flight": 0},
        {"samples": "s.bin"},
        {"locustfile": "l.py"},
        {"mode": "ramp"},
        {"ramp_rps": (1.0,)},
        {"routes": ()},
        {"routes": (ROUTE, ROUTE)},
        {"routes": (Route("pay", "127.0.0.1", 80),)},
        {"routes": (Route("/", "localhost", 80),)},
        {"routes": (Route("/", "127.0.0.1", 0),)},
        {"proxy": ("proxy.example", 3128)},
        {"tls_ca": "ca.pem"},
        {"regions": REGIONS, "proxy": ("127.0.0.1", 3128)},
        {"regions": REGIONS[1:]},  # routes are not its first entry
        {"regions": REGIONS + REGIONS},
        {"regions": (replace(REGIONS[0], weight=0.0),)},
        {"failover_s": 0},
        {"prefill": 1},
        {"prefill": 6, "sequence": SEQUENCE},
        {"mode": "replay", "sequence": SEQUENCE},
        {"mode": "replay", "replay_requests": 2},
        {"mode": "replay", "sequence": SEQUENCE, "replay_requests": 2, "replay_warmup": 2},
        {"mode": "replay", "sequence": SEQUENCE, "replay_requests": 2, "replay_users": 0},
        {"replay_requests": 2},
        {"miss_bytes_per_s": 1.0, "outcome_header": ("X-Cache", ())},
        {"mode": "replay", "sequence": SEQUENCE, "replay_requests": 2, "miss_bytes_per_s": 1.0},
        {
            "mode": "replay",
            "sequence": SEQUENCE,
            "replay_requests": 2,
            "miss_bytes_per_s": -1.0,
            "outcome_header": ("X-Cache", ()),
        },
        {"outcome_header": ("x-cache", (("hit", "strike"),))},
    ],
)
def test_what_cannot_be_run_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (which of the rules is the parameter's business)
        replace(PLAN, **change)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize(
    "change",
    [{"name": ""}, {"weight": -1.0}, {"entries": ()}, {"entries": ((ROUTE,), ())}, {"entries": ((ROUTE,) * 2,)}],
)
def test_a_region_that_cannot_be_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (which of the rules is the parameter's business)
        replace(REGIONS[0], **change)  # type: ignore[arg-type]  # wrong on purpose


def test_a_sequence_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="start"):
        replace(SEQUENCE, start=-1)
    with pytest.raises(ValueError, match="absolute"):
        replace(SEQUENCE, requests=TraceSpec(trace="t.csv"))


def test_a_replay_has_its_users_and_a_limit_by_its_length_and_distance() -> None:
    plan = replace(PLAN, mode="replay", sequence=SEQUENCE, replay_requests=600, replay_users=2)
    assert plan.workers == 2
    assert plan.replay_limit_s == 60 + 30
    assert replace(plan, regions=REGIONS).replay_limit_s == 60 + 300
    paced = replace(plan, miss_bytes_per_s=1e6, outcome_header=("X-Cache", (("hit", "hit"),)))
    assert paced.replay_limit_s == 60 + 30 + 2 * 600 * SEQUENCE.catalogue.mean_bytes / 1e6
    assert replace(plan, prefill=4, closed_users=2).prepare_limit_s == 62


def test_windows_of_an_open_loop_with_capacity() -> None:
    windows = Windows.of(replace(PLAN, capacity_s=3), 10)
    assert windows.window_begin_ns == 10 + 1_000_000_000
    assert windows.window_end_ns == windows.window_begin_ns + 2_000_000_000
    assert windows.capacity_begin_ns == windows.window_end_ns + 500_000_000 + CAPACITY_GAP_NS
    assert windows.end_ns == windows.capacity_end_ns == windows.capacity_begin_ns + 3_000_000_000


def test_importing_the_package_and_the_runner_does_not_import_locust() -> None:
    modules = "harness.load, harness.load.runner, harness.load.calibration.calibrate"
    code = f"import sys, {modules}; sys.exit('locust' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
