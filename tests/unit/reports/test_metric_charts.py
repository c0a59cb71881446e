from __future__ import annotations

import pandas as pd
import pytest

from reports.charts import Look, NothingToDraw, metric_dots, ratio_forest, stacked_parts, views_dots

NAN = float("nan")
TRIALS = pd.DataFrame(
    [
        ("t1", "measured", 0, 1, "process", "none", "100 rps", True, 1.0, 0.2),
        ("t2", "measured", 1, 1, "process", "none", "100 rps", True, 2.0, 0.3),
        ("t3", "measured", 0, 1, "vm", "tcg", "100 rps", True, 50.0, NAN),
        ("t4", "measured", 1, 2, "vm", "tcg", "100 rps", False, 60.0, NAN),
        ("n1", "null", 0, 1, "null", "none", "floor", True, 0.1, NAN),
    ],
    columns=[
        "trial", "kind", "block", "attempt", "variant", "accelerator", "level", "valid", "latency_p50_ms", "startup_s"
    ],
)  # fmt: skip
SUMMARIES = pd.DataFrame(
    [
        ("process", "100 rps", "latency_p50_ms", 2, 1.5, 1.0, 2.0),
        ("vm", "100 rps", "latency_p50_ms", 1, 50.0, NAN, NAN),
    ],
    columns=["variant", "level", "metric", "n", "median", "low", "high"],
)
TRIALS["counts"] = TRIALS["valid"] & (TRIALS["kind"] == "measured")
LOOK = Look.of(TRIALS)


def test_every_attempt_is_a_dot_and_the_invalid_one_is_marked() -> None:
    figure = metric_dots(TRIALS, SUMMARIES, "latency_p50_ms", LOOK)
    dots = [trace for trace in figure.data if trace.customdata is not None]
    assert sorted(x for trace in dots for x in trace.x) == [1.0, 2.0, 50.0, 60.0]
    (invalid,) = [trace for trace in dots if trace.marker.symbol == "x-thin-open"]
    assert list(invalid.x) == [60.0]
    assert "left out" in invalid.hovertemplate
    assert all("block" in trace.hovertemplate for trace in dots)


def test_a_lone_trial_says_that_it_has_no_interval() -> None:
    figure = metric_dots(TRIALS, SUMMARIES, "latency_p50_ms", LOOK)
    process, vm = [trace for trace in figure.data if trace.text is not None]
    assert (process.x[0] - process.error_x.arrayminus[0], process.x[0] + process.error_x.array[0]) == (1.0, 2.0)
    assert vm.error_x.visible is False
    assert "no interval" in vm.text[0]


def test_rows_are_per_level_only_where_there_are_several() -> None:
    one = metric_dots(TRIALS, SUMMARIES, "latency_p50_ms", LOOK)
    assert list(one.layout.yaxis.ticktext) == ["process", "vm (emulated)"]
    both = pd.concat([SUMMARIES, SUMMARIES.assign(level="300 rps")])
    trials = pd.concat([TRIALS, TRIALS.assign(level="300 rps")])
    two = metric_dots(trials, both, "latency_p50_ms", LOOK)
    assert list(two.layout.yaxis.ticktext)[:2] == ["process<br>100 rps", "process<br>300 rps"]


def test_a_wide_spread_turns_the_axis_logarithmic() -> None:
    assert metric_dots(TRIALS, SUMMARIES, "latency_p50_ms", LOOK).layout.xaxis.type == "log"
    assert metric_dots(TRIALS, SUMMARIES, "startup_s", LOOK).layout.xaxis.type is None


def test_zero_keeps_the_axis_linear() -> None:
    zero = TRIALS.assign(latency_p50_ms=[0.0, 2.0, 50.0, 60.0, 0.1])
    assert metric_dots(zero, SUMMARIES, "latency_p50_ms", LOOK).layout.xaxis.type is None


def test_what_nobody_measured_is_said_in_a_sentence() -> None:
    with pytest.raises(NothingToDraw, match="CPU time per request"):
        metric_dots(TRIALS, SUMMARIES, "cpu_ms_per_request", LOOK)
    with pytest.raises(NothingToDraw):
        metric_dots(TRIALS.assign(startup_s=NAN), SUMMARIES, "startup_s", LOOK)


PARTS = pd.DataFrame(
    [("process", "", "app", 10.0), ("vm", "", "guest RAM", 300.0), ("vm", "", "<i>disk</i>", 40.0)],
    columns=["variant", "row", "part", "mib"],
)


def test_parts_are_stacked_and_summed() -> None:
    figure = stacked_parts(PARTS, LOOK, title="MiB")
    (sums,) = [trace for trace in figure.data if trace.type == "scatter"]
    assert dict(zip(sums.y, sums.x, strict=True)) == {"process": 10.0, "vm (emulated)": 340.0}
    assert {trace.name for trace in figure.data if trace.showlegend is not False} == {
        "app", "guest RAM", "&lt;i&gt;disk&lt;/i&gt;"
    }  # fmt: skip


def test_no_parts() -> None:
    with pytest.raises(NothingToDraw):
        stacked_parts(PARTS.iloc[:0], LOOK, title="MiB")


def test_views_stand_apart_and_idle_is_open() -> None:
    views = pd.DataFrame(
        [
            ("process", "PSS", "idle", "t1", 10.0),
            ("process", "PSS", "load", "t1", 12.0),
            ("vm", "guest", "load", "t3", 99.0),
        ],
        columns=["variant", "view", "moment", "trial", "mib"],
    )
    figure = views_dots(views, LOOK)
    assert list(figure.layout.yaxis.ticktext) == ["process<br>PSS", "vm (emulated)<br>guest"]
    dots = [trace for trace in figure.data if trace.customdata is not None]
    assert [trace.marker.color == "#ffffff" for trace in dots] == [True, False, False]
    with pytest.raises(NothingToDraw):
        views_dots(views.iloc[:0], LOOK)


COMPARISONS = pd.DataFrame(
    [
        ("vm", "process", "100 rps", "latency_p50_ms", 2, 33.0, 30.0, 36.0, 1.0, 1.0, 0.05, "worse"),
        ("vm", "process", "100 rps", "startup_s", 1, 1.01, NAN, NAN, 0.1, 0.5, 0.05, "not resolved"),
        ("vm", "process", "100 rps", "memory_mib", 0, NAN, NAN, NAN, NAN, NAN, NAN, "not measured"),
    ],
    columns=[
        "variant", "baseline", "level", "metric", "n", "ratio", "low", "high", "cliffs_delta", "p_worse", "noise_floor",
        "verdict",
    ],
)  # fmt: skip


def test_a_ratio_that_is_not_resolved_is_open() -> None:
    figure = ratio_forest(COMPARISONS, LOOK)
    (vm,) = figure.data
    assert vm.name == "vm (emulated)"
    assert list(vm.x) == [33.0, 1.01]
    assert list(vm.marker.color) == [LOOK.colours["vm"], "#ffffff"]
    assert list(vm.error_x.array) == [3.0, 0.0]
    assert "30.000 to 36.000" in vm.customdata[0]
    assert "no interval<br>not resolved" in vm.customdata[1]


def test_nothing_compared() -> None:
    with pytest.raises(NothingToDraw, match="needs valid trials"):
        ratio_forest(COMPARISONS.assign(ratio=NAN), LOOK)
