"""Services whose true latency is known, measured through the whole instrument."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from harness.clock import NS_PER_MS
from harness.load.calibration.calibrate import null_service
from harness.load.confinement import Confinement
from harness.load.plan import LoadPlan, OpenLoop, Pool, Schedule, Targets
from harness.load.recorder import Outcome, Phase
from harness.load.result import LoadResult
from harness.load.runner import Generator
from harness.spec.route import Route

pytestmark = pytest.mark.integration

HERE = Confinement(None, frozenset({max(os.sched_getaffinity(0))}))
SERVICE = Confinement(None, frozenset({min(os.sched_getaffinity(0))}))


def measure(
    folder: Path, *options: str, duration_s: float, max_in_flight: int = 128, queue: bool = False
) -> LoadResult:
    with null_service("127.0.0.1", SERVICE, options=options) as port:
        load = OpenLoop(Schedule(100, duration_s, 0.5, "constant"), Pool(max_in_flight, queue))
        plan = LoadPlan(Targets((Route("/", "127.0.0.1", port),)), load, str(folder / "samples.bin"))
        with Generator(plan, HERE, folder) as generator:
            generator.wait_ready()
            generator.start()
            return generator.finish()


def percentiles_ms(result: LoadResult, since: str, *levels: float) -> list[float]:
    measured = result.samples[(result.samples["phase"] == Phase.MEASURED) & (result.samples["outcome"] == Outcome.OK)]
    return [float(value) for value in np.percentile((measured["done_ns"] - measured[since]) / NS_PER_MS, levels)]


def test_a_fixed_delay_is_measured_exactly(tmp_path: Path) -> None:
    """A service that takes 20 ms reports a p50 of 20 ms plus the null floor, to 1 ms."""
    (floor,) = percentiles_ms(measure(tmp_path, duration_s=3), "intended_ns", 50)
    result = measure(tmp_path, "--delay-ms", "20", duration_s=3)
    (p50,) = percentiles_ms(result, "intended_ns", 50)
    print(f"\n20 ms: p50 {p50:.3f} ms, null floor {floor:.3f} ms")
    assert result.completed == result.scheduled == 300
    assert abs(p50 - 20 - floor) < 1


def test_one_stall_shows_from_the_intended_time_and_hides_from_the_actual_send(tmp_path: Path) -> None:
    """The classic demonstration of coordinated omission: 100 requests/s for 10 s, and one stall of 1 s.

    The client is one connection with a queue (``max_in_flight=1, queue=True``). While the service stalls, one request
    is under way, and the hundred arrivals of that second wait for the connection. Each of them was meant to be sent in
    that second, so from the intended time a tenth of all requests is late, by up to 1 s. Counted from the actual
    send only the one that was under way is: 1 of 1,000, which p99 does not see. That is what a closed-loop tool
    reports, and why it is wrong. With many connections (the other test) the arrivals are sent in time and wait inside
    the service; then both counts show the stall, and honestly so.
    """
    stalled = ("--stall-once-after", "400", "--stall-s", "1")
    result = measure(tmp_path, *stalled, duration_s=10, max_in_flight=1, queue=True)
    assert result.completed == result.scheduled == 1000
    assert result.dropped == 0
    p50, p99 = percentiles_ms(result, "intended_ns", 50, 99)
    service_p99, service_max = percentiles_ms(result, "sent_ns", 99, 100)
    print(f"\na stall of 1 s: p99 {p99:.0f} ms from the intended time, {service_p99:.2f} ms from the actual send")
    assert p99 > 500
    assert p50 < 100
    assert service_p99 < 100
    assert service_max > 900
    assert result.send_lag_p99_ns > 500 * NS_PER_MS  # the rule on send lag therefore calls such a trial invalid


def test_with_many_connections_a_stall_shows_either_way(tmp_path: Path) -> None:
    result = measure(tmp_path, "--stall-once-after", "200", "--stall-s", "1", duration_s=5)
    assert result.completed == result.scheduled == 500
    assert percentiles_ms(result, "intended_ns", 99)[0] > 500
    assert percentiles_ms(result, "sent_ns", 99)[0] > 500
