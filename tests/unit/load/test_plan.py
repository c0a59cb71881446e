from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from harness.load.plan import LoadPlan
from harness.load.windows import CAPACITY_GAP_NS, Windows
from harness.spec.route import Route

ROUTE = Route("/", "127.0.0.1", 80)
PLAN = LoadPlan(routes=(ROUTE,), samples="/s.bin", rate_rps=10, duration_s=2, warmup_s=1, tail_s=0.5)


def test_round_trip() -> None:
    plan = replace(
        PLAN, mode="ramp", ramp_rps=(1.0, 2.0), queue=True, routes=(ROUTE, Route("/pay", "198.18.0.3", 81)),
        tls_ca="/ca.pem", proxy=("198.18.0.4", 3128),
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
    ],
)
def test_what_cannot_be_run_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (which of the rules is the parameter's business)
        replace(PLAN, **change)  # type: ignore[arg-type]  # wrong on purpose


def test_windows_of_an_open_loop_with_capacity() -> None:
    windows = Windows.of(replace(PLAN, capacity_s=3), 10)
    assert windows.window_begin_ns == 10 + 1_000_000_000
    assert windows.window_end_ns == windows.window_begin_ns + 2_000_000_000
    assert windows.capacity_begin_ns == windows.window_end_ns + 500_000_000 + CAPACITY_GAP_NS
    assert windows.end_ns == windows.capacity_end_ns == windows.capacity_begin_ns + 3_000_000_000


def test_importing_the_package_and_the_runner_does_not_import_locust() -> None:
    code = "import sys, harness.load, harness.load.runner, harness.load.calibrate; sys.exit('locust' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
