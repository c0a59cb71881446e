from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.rules import Rule, parse_rule, regressions
from harness.errors import SpecError
from harness.units import METRICS


@given(st.sampled_from(list(METRICS)), st.integers(0, 500), st.sampled_from(["", " "]))
def test_a_rise_and_a_fall_are_understood(name: str, percent: int, space: str) -> None:
    rise = parse_rule(f"{name}{space}>{space}{percent}{space}%")
    assert (rise.metric, rise.percent, rise.falls) == (name, percent, False)
    fall = parse_rule(f"{name}<-{percent}%")
    assert (fall.metric, fall.percent, fall.falls) == (name, -percent, True)


@pytest.mark.parametrize(
    "text", ["", "latency", "latency_p99_ms", "latency_p99_ms>5", "latency_p99_ms>=5%", "speed_mph>5%", ">5%"]
)
def test_anything_else_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_rule(text)
    assert caught.value.remedy


@pytest.mark.parametrize("text", ["startup_s>-5%", "achieved_rps<5%"])
def test_a_sign_that_does_not_fit_is_refused_and_the_right_form_shown(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_rule(text)
    assert "A fall is" in caught.value.remedy or "a fall is" in caught.value.remedy


FRAME = pd.DataFrame(
    [
        ("vm", "startup_s", 1.20, "worse"),
        ("vm", "latency_p99_ms", 1.30, "not resolved"),
        ("vm", "achieved_rps", 0.80, "worse"),
        ("vm", "memory_mib", 0.70, "better"),
        ("vm", "footprint_mib", 1.50, "no interval"),
    ],
    columns=["variant", "metric", "ratio", "verdict"],
)


@pytest.mark.parametrize(
    ("rules", "broken"),
    [
        (["startup_s>5%"], ["startup_s"]),
        (["startup_s>25%"], []),
        (["latency_p99_ms>5%"], []),
        (["footprint_mib>5%"], []),
        (["achieved_rps<-5%"], ["achieved_rps"]),
        (["achieved_rps<-25%"], []),
        (["memory_mib<-5%"], ["memory_mib"]),
        (["worse"], ["startup_s", "achieved_rps"]),
        (["startup_s>5%", "achieved_rps<-5%"], ["startup_s", "achieved_rps"]),
        ([], []),
    ],
)
def test_only_resolved_changes_beyond_the_rule_are_regressions(rules: list[str], broken: list[str]) -> None:
    found = regressions(FRAME, [parse_rule(rule) for rule in rules])
    assert list(found["metric"]) == broken
    assert "rule" in found.columns


def test_worse_has_no_metric() -> None:
    assert parse_rule(" worse ") == Rule("worse")
