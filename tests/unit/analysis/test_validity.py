from __future__ import annotations

import numpy as np
import pytest

from harness.analysis.validity import judge, judge_record, latency_p99_ns
from harness.spec.experiment import Validity
from harness.store.records import Digests, LoadFacts, Noise
from tests.unit.analysis import synthetic
from tests.unit.analysis.synthetic_records import DIGEST, record, requests

LIMITS = Validity()
QUIET = Noise(steal_share=0.02, throttled_periods=0, swapped_in_pages=0, load1=0.0, other_busy_share=0.5)
SAME = Digests(expected="sha256:a", observed="sha256:a")


def load(**changes: object) -> LoadFacts:
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
    return fine.model_copy(update=changes)


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
def test_each_rule_of_the_load(changes: dict[str, object], reason: str) -> None:
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
def test_each_rule_of_the_host(changes: dict[str, object], reason: str) -> None:
    noise = QUIET.model_copy(update=changes)
    assert judge(load=load(), latency_p99_ns=None, noise=noise, digests=SAME, limits=LIMITS) == (reason,)


def test_another_artifact_is_named() -> None:
    other = Digests(expected="sha256:a", observed="sha256:b")
    reasons = judge(load=None, latency_p99_ns=None, noise=None, digests=other, limits=LIMITS)
    assert reasons == ("the artifact's digest is sha256:b, expected sha256:a",)


def test_every_reason_is_given() -> None:
    noise = QUIET.model_copy(update={"steal_share": 0.5})
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
    wrong = made.model_copy(update={"digests": Digests(expected=DIGEST, observed="sha256:other")})
    assert "expected" in judge_record(wrong, None, LIMITS)[0]
    assert judge_record(wrong.model_copy(update={"kind": "calibration"}), None, LIMITS) == ()


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
