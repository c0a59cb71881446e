from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.analysis.validity import judge, judge_record, latency_p99_ns
from harness.records.instance import Digests
from harness.records.load import LoadFacts, ReplayRecord
from harness.records.network import BackboneRecord, RttRecord
from harness.records.window import Noise
from harness.spec.experiment import Validity
from tests.unit.analysis import synthetic
from tests.unit.analysis.synthetic_records import DIGEST, record, requests

LIMITS = Validity()
QUIET = Noise(steal_share=0.02, throttled_periods=0, swapped_in_pages=0, load1=0.0, other_busy_share=0.5)
SAME = Digests(expected="sha256:a", observed="sha256:a")


def load(**changes: Any) -> LoadFacts:
    fine = LoadFacts(
        target_rps=100.0,
        window_begin_ns=0,
        window_end_ns=10**10,
        scheduled=1000,
        completed=990,
        dropped=0,
        errors=0,
        unexpected=0,
        send_lag_p99_ns=2_000_000,
        generator_busy=0.8,
    )
    return replace(fine, **changes)


def judged(facts: LoadFacts, p99_ns: int | None = None) -> tuple[str, ...]:
    return judge(load=facts, latency_p99_ns=p99_ns, noise=QUIET, digests=SAME, limits=LIMITS)


def test_a_trial_at_every_limit_is_valid() -> None:
    assert judged(load()) == ()


def test_nothing_measured_gives_no_reason() -> None:
    assert judge(load=None, latency_p99_ns=None, noise=None, digests=None, limits=LIMITS) == ()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"completed": 961}, "achieved 96.1 % of the schedule, limit 99 %"),
        ({"scheduled": 100_000, "completed": 98_999}, "achieved 98.9 % of the schedule, limit 99 %"),
        ({"scheduled": 0, "completed": 0}, "the schedule held no arrivals"),
        ({"dropped": 1}, "1 arrivals dropped, limit 0"),
        ({"send_lag_p99_ns": 2_500_000}, "p99 send lag 2.50 ms, limit 2.00 ms"),
        ({"generator_busy": 0.9}, "generator core 90.0 % busy, limit 80 %"),
        ({"unexpected": 3}, "3 unexpected responses (0 of them none at all), limit 0"),
        ({"errors": 2}, "2 unexpected responses (2 of them none at all), limit 0"),
    ],
)
def test_each_rule_of_the_load(changes: dict[str, Any], reason: str) -> None:
    assert judged(load(**changes)) == (reason,)


def test_the_send_lag_may_be_a_share_of_a_slow_services_p99() -> None:
    lagging = load(send_lag_p99_ns=4_000_000)
    assert judged(lagging, p99_ns=100_000_000) == ()
    assert judged(lagging, p99_ns=60_000_000) == ("p99 send lag 4.00 ms, limit 3.00 ms",)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"steal_share": 0.03}, "steal 3.0 % of the window, limit 2 %"),
        ({"throttled_periods": 4}, "throttled in 4 periods, limit 0"),
        ({"swapped_in_pages": 7}, "7 pages swapped in, limit 0"),
    ],
)
def test_each_rule_of_the_host(changes: dict[str, Any], reason: str) -> None:
    noise = replace(QUIET, **changes)
    assert judge(load=load(), latency_p99_ns=None, noise=noise, digests=SAME, limits=LIMITS) == (reason,)


def test_another_artifact_is_named() -> None:
    other = Digests(expected="sha256:a", observed="sha256:b")
    reasons = judge(load=None, latency_p99_ns=None, noise=None, digests=other, limits=LIMITS)
    assert reasons == ("the artifact's digest is sha256:b, expected sha256:a",)


def test_every_reason_is_given() -> None:
    noise = replace(QUIET, steal_share=0.5)
    facts = load(dropped=2, completed=10, errors=5)
    assert len(judge(load=facts, latency_p99_ns=None, noise=noise, digests=SAME, limits=LIMITS)) == 4


def test_an_experiments_own_limits_are_in_force() -> None:
    loose = Validity(min_achieved_share=0.5, max_unexpected=10)
    facts = load(completed=600, unexpected=10)
    assert judge(load=facts, latency_p99_ns=None, noise=None, digests=None, limits=loose) == ()


def test_a_recorded_reason_stands_and_an_unjudged_attempt_is_judged() -> None:
    made = record("process", "l", 100.0, 1, 1, np.random.default_rng(1))
    assert judge_record(made, None, LIMITS) == ()
    assert judge_record(synthetic.invalid(made, "by hand"), None, LIMITS) == ("by hand",)
    wrong = replace(made, digests=Digests(expected=DIGEST, observed="sha256:other"))
    assert "expected" in judge_record(wrong, None, LIMITS)[0]
    assert judge_record(replace(wrong, kind="calibration"), None, LIMITS) == ()


def test_p99_of_raw_records_leaves_out_the_warm_up_and_what_had_no_response() -> None:
    raw = requests(np.random.default_rng(1), 100.0, 10.0, 2.0, 10**12)
    raw["done_ns"] = raw["intended_ns"] + 1_000_000
    raw["done_ns"][raw["phase"] == 0] += 10**9
    measured = np.flatnonzero(raw["phase"] == 1)
    raw["outcome"][measured[:100]] = 1
    raw["outcome"][measured[100:200]] = 2
    raw["done_ns"][measured[:200]] += 10**9
    assert latency_p99_ns(raw) == 1_000_000
    raw["outcome"][measured[100:200]] = 3
    assert latency_p99_ns(raw) == 1_001_000_000
    assert latency_p99_ns(raw[:100]) is None


def distance(asked_ms: float, median_ms: float, host: str = "proxy-far") -> RttRecord:
    return RttRecord(region="far", host=host, asked_ms=asked_ms, median_ms=median_ms, p99_ms=median_ms, echoes=100)


def backbone(dropped: int) -> BackboneRecord:
    return BackboneRecord(packets=1000, bytes=1, dropped=dropped, lost=5, late_p99_ns=1, cpu_ns=1)


def apart(*rtts: RttRecord, dropped: int = 0) -> tuple[str, ...]:
    return judge(
        load=load(),
        latency_p99_ns=None,
        noise=QUIET,
        digests=SAME,
        limits=LIMITS,
        rtts=rtts,
        backbone=backbone(dropped),
    )


@pytest.mark.parametrize(("asked_ms", "median_ms"), [(0, 1), (0, 0.1), (10, 11), (10, 9), (200, 210), (200, 190)])
def test_regions_may_be_a_millisecond_or_a_twentieth_off(asked_ms: float, median_ms: float) -> None:
    assert apart(distance(asked_ms, median_ms)) == ()


def test_the_region_that_is_most_off_is_named() -> None:
    found = apart(distance(10, 11.5), distance(200, 215, "origin"), distance(100, 100))
    assert found == ("far is 215.00 ms from origin and back, asked 200 ms, limit 10.00 ms off",)
    assert apart(distance(0, 1.5)) == ("far is 1.50 ms from proxy-far and back, asked 0 ms, limit 1.00 ms off",)


def test_a_backbone_that_dropped_packets_has_changed_what_was_measured() -> None:
    assert apart(dropped=3) == ("the backbone between the regions dropped 3 packets, limit 0",)


def test_a_replay_has_no_schedule_but_its_answers_count() -> None:
    facts = load(scheduled=0, completed=10, send_lag_p99_ns=10**9, generator_busy=1.0, target_rps=0.0)
    replay = ReplayRecord(sequence="zipf", requests=20, warmup=10, window_begin_ns=0, window_end_ns=1)
    made = record("process", "l", 100.0, 1, 1, np.random.default_rng(1))
    made = replace(made, load=facts, noise=QUIET, replay=replay)
    assert judge_record(made, None, LIMITS) == ()
    wrong = replace(made, load=replace(facts, unexpected=1))
    assert judge_record(wrong, None, LIMITS) == ("1 unexpected responses (0 of them none at all), limit 0",)
