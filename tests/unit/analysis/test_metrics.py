from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from harness.analysis.metrics import metrics_of, overhead_bytes
from harness.records.cache import OriginCount
from harness.records.instance import Footprint
from harness.records.memory import MemoryView
from harness.records.trial import TrialRecord
from harness.records.window import Cpu
from harness.store import samples as sample_files
from harness.units import METRICS, MIB
from tests.unit.analysis.synthetic_records import record


def made(name: str = "container") -> TrialRecord:
    return record(name, "100 rps", 100.0, 1, 1, np.random.default_rng(1), spread=0.0)


def frame(count: int, **columns: object) -> pd.DataFrame:
    """``count`` measured requests, 1 ms after the other; latency 3 ms, service time 2 ms, unless told otherwise."""
    intended = np.arange(count) * 1_000_000
    base = {
        "intended_ns": intended,
        "sent_ns": intended + 1_000_000,
        "done_ns": intended + 3_000_000,
        "phase": "measured",
        "outcome": "ok",
        "status": 200,
        "task": "item",
        "bytes": 10,
    }
    return pd.DataFrame({**base, **columns})


def test_every_figure_is_registered() -> None:
    for name in ("process", "container", "vm"):
        assert metrics_of(made(name), frame(4000)).keys() <= METRICS.keys()
    told = replace(made("vm"), propagation_ms=(1.0, 2.0, 4.0) * 200, origin=OriginCount(requests=1000, bytes=10_000))
    figures = metrics_of(told, frame(4000, cache="hit"))
    assert figures.keys() == METRICS.keys()
    assert (figures["propagation_p50_ms"], figures["propagation_p99_ms"]) == (2.0, 4.0)


def test_latency_counts_from_the_intended_time_and_service_time_from_the_send() -> None:
    found = metrics_of(made(), frame(400))
    assert found["latency_p50_ms"] == found["latency_p99_ms"] == 3.0
    assert found["service_time_p99_ms"] == 2.0


def test_a_stall_shows_in_latency_and_not_in_service_time() -> None:
    """Coordinated omission: requests that had to wait to be sent waited, whatever the tool was doing."""
    late = np.where(np.arange(1000) < 100, 1_000_000_000, 0)
    raw = frame(1000)
    raw["sent_ns"] += late
    raw["done_ns"] += late
    found = metrics_of(made(), raw)
    assert found["latency_p99_ms"] > 500
    assert found["service_time_p99_ms"] == 2.0


def test_percentiles_appear_only_with_enough_samples() -> None:
    assert "latency_p50_ms" not in metrics_of(made(), frame(5))
    few = metrics_of(made(), frame(100))
    assert "latency_p95_ms" in few
    assert "latency_p99_ms" not in few
    assert "latency_p999_ms" in metrics_of(made(), frame(3688))


def test_requests_without_a_response_and_outside_the_window_have_no_latency() -> None:
    raw = frame(800)
    raw.loc[:99, "outcome"] = "dropped"
    raw.loc[100:199, "outcome"] = "error"
    raw.loc[200:299, "phase"] = "warmup"
    raw.loc[:299, "done_ns"] += 10**9
    assert metrics_of(made(), raw)["latency_p99_ms"] == 3.0
    raw.loc[:99, "outcome"] = "unexpected"
    assert metrics_of(made(), raw)["latency_p99_ms"] == 1003.0


def test_a_tasks_later_requests_have_a_service_time_only() -> None:
    raw = frame(800)
    raw.loc[400:, "task"] = "item#2"
    raw.loc[400:, "intended_ns"] = raw.loc[400:, "sent_ns"]
    found = metrics_of(made(), raw)
    assert found["latency_p50_ms"] == 3.0
    assert found["service_time_p50_ms"] == 2.0


def test_memory_is_the_sum_over_processes_and_overhead_is_what_is_not_the_services() -> None:
    found = metrics_of(made("container"), frame(10))
    assert found["memory_mib"] == pytest.approx(49.0)
    assert found["memory_overhead_mib"] == pytest.approx(9.0)
    assert "memory_inside_mib" not in found
    guest = metrics_of(made("vm"), frame(10))
    assert guest["memory_overhead_mib"] == pytest.approx(400.0 - 210.0)
    assert guest["memory_inside_mib"] == pytest.approx(140.0)


def test_overhead_of_a_vm_is_unknown_without_its_guests_ram() -> None:
    assert overhead_bytes(MemoryView(pss={"vmm": 100 * MIB})) is None
    assert overhead_bytes(MemoryView(pss={"app": 5, "shim": 3})) == 3
    assert overhead_bytes(MemoryView(pss={"app": 5})) == 0
    assert overhead_bytes(MemoryView(pss={"vmm": 10, "helper": 4}, guest_ram_touched=8)) == 6


def test_cpu_is_the_groups_else_the_processes_over_answered_requests() -> None:
    one = replace(made(), cpu=Cpu(cgroup_ns=50_000_000, processes_ns=1, window_ns=1))
    assert metrics_of(one, frame(100))["cpu_ms_per_request"] == 0.5
    two = replace(made(), cpu=Cpu(cgroup_ns=None, processes_ns=20_000_000, window_ns=1))
    assert metrics_of(two, frame(100))["cpu_ms_per_request"] == pytest.approx(0.2)


def test_rates_are_per_second_of_the_window() -> None:
    found = metrics_of(made(), frame(10))
    assert found["achieved_rps"] == pytest.approx(100.0)
    assert found["capacity_rps"] > 0


def test_an_empty_attempt_has_no_figures_and_no_zeros() -> None:
    record_of_nothing = replace(
        made(),
        startup=None,
        memory_idle=None,
        memory_load=None,
        cpu=None,
        load=None,
        capacity=None,
        footprint=Footprint(),
    )
    assert metrics_of(record_of_nothing, sample_files.empty()) == {}
