"""Every metric's name carries its unit."""

from __future__ import annotations

import pytest

from harness.units import METRICS, MIB, metric, mib

SUFFIXES = {
    "s": ("_s",),
    "ms": ("_ms", "_ms_per_request"),
    "MiB": ("_mib",),
    "requests/s": ("_rps",),
    "requests": ("_requests",),
    "of requests": ("_ratio", "offload"),
    "of bytes": ("_ratio",),
}


@pytest.mark.parametrize("name", METRICS)
def test_a_name_ends_in_its_unit(name: str) -> None:
    assert name.endswith(SUFFIXES[METRICS[name].unit])
    assert metric(name).name == name


def test_the_contracts_metrics_are_registered() -> None:
    contract = {
        "startup_s", "memory_mib", "cpu_ms_per_request", "latency_p50_ms", "latency_p90_ms", "latency_p99_ms",
        "achieved_rps",
    }  # fmt: skip
    assert contract <= METRICS.keys()


def test_more_requests_and_more_from_the_cache_are_better_and_more_of_anything_else_is_worse() -> None:
    better = {"achieved_rps", "capacity_rps", "hit_ratio", "byte_hit_ratio", "offload"}
    assert {name for name, each in METRICS.items() if not each.lower_is_better} == better


def test_a_name_that_is_not_registered_is_refused() -> None:
    with pytest.raises(KeyError):
        metric("startup_minutes")


def test_a_value_is_shown_with_its_unit() -> None:
    assert metric("startup_s").text(0.41239) == "0.412 s"
    assert metric("capacity_rps").text(12_345.6) == "12,346 requests/s"


def test_a_mebibyte() -> None:
    assert mib(3 * MIB) == 3.0
    assert mib(1024**2 / 2) == 0.5
