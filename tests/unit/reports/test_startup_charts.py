from __future__ import annotations

import pandas as pd
import pytest

from reports.charts import Look, NothingToDraw, phase_ends, startup_phases, startup_timeline

TRIALS = pd.DataFrame(
    [
        ("t1", "measured", "vm", "tcg", 0, True, 3.0, "100 rps"),
        ("t2", "measured", "vm", "tcg", 1, True, 5.0, "100 rps"),
        ("t3", "measured", "vm", "tcg", 2, True, 9.0, "100 rps"),
        ("t4", "measured", "vm", "tcg", 3, False, 99.0, "100 rps"),
    ],
    columns=["trial", "kind", "variant", "accelerator", "block", "counts", "startup_s", "level"],
)
PHASES = pd.DataFrame(
    [
        (trial, "vm", phase, begin, end, end - begin)
        for trial, phase, begin, end in [
            ("t1", "kernel", 0.0, 2.0),
            ("t1", "first response", 2.0, 3.0),
            ("t2", "kernel", 0.0, 1.0),
            ("t2", "first response", 1.0, 5.0),
            ("t3", "kernel", 0.0, 3.0),
            ("t3", "first response", 3.0, 9.0),
            ("t4", "kernel", 0.0, 98.0),
            ("t4", "first response", 98.0, 99.0),
        ]
    ],
    columns=["trial", "variant", "phase", "begin_s", "end_s", "duration_s"],
)
SUMMARIES = pd.DataFrame(
    [("vm", "all", "startup_s", 3, 5.0, 3.0, 9.0)],
    columns=["variant", "level", "metric", "n", "median", "low", "high"],
)
# Campaign.phases holds the trials that count only.
VALID_PHASES = PHASES[PHASES["trial"] != "t4"]
LOOK = Look.of(TRIALS)


def test_phases_end_at_the_median_moments_and_the_last_at_the_median_total() -> None:
    ends = phase_ends(PHASES[PHASES["trial"] != "t4"])
    assert ends["phase"].tolist() == ["kernel", "first response"]
    assert ends["end_s"].tolist() == [2.0, 5.0]
    assert ends["begin_s"].tolist() == [0.0, 2.0]
    assert ends["n"].tolist() == [3, 3]


def test_bars_leave_invalid_trials_out_and_every_valid_trial_is_a_dot() -> None:
    figure = startup_phases(VALID_PHASES, TRIALS, SUMMARIES, LOOK)
    bars = [trace for trace in figure.data if trace.type == "bar"]
    assert sum(bar.x[0] for bar in bars) == pytest.approx(5.0)
    assert {bar.y[0] for bar in bars} == {"vm (emulated)"}
    dots = [trace for trace in figure.data if trace.yaxis == "y2"]
    assert [list(trace.x) for trace in dots] == [[3.0, 5.0, 9.0]]


def test_a_phase_has_its_name_where_the_whisker_does_not_strike_it_through() -> None:
    bars = [trace for trace in startup_phases(VALID_PHASES, TRIALS, SUMMARIES, LOOK).data if trace.type == "bar"]
    assert [bar.text for bar in bars] == ["kernel", ""]
    alone = SUMMARIES.assign(low=None, high=None)
    bars = [trace for trace in startup_phases(VALID_PHASES, TRIALS, alone, LOOK).data if trace.type == "bar"]
    assert [bar.text for bar in bars] == ["kernel", "first response"]


def test_the_whisker_is_the_interval() -> None:
    figure = startup_phases(VALID_PHASES, TRIALS, SUMMARIES, LOOK)
    (whisker,) = [trace for trace in figure.data if trace.error_x.visible]
    assert (whisker.x[0], whisker.error_x.array[0], whisker.error_x.arrayminus[0]) == (5.0, 4.0, 2.0)


def test_a_single_trial_has_no_interval() -> None:
    lone = SUMMARIES.assign(n=1, low=float("nan"), high=float("nan"))
    figure = startup_phases(VALID_PHASES, TRIALS, lone, LOOK)
    assert not any(trace.error_x.visible for trace in figure.data if trace.type == "scatter")
    assert any("no interval" in (trace.hovertemplate or "") for trace in figure.data)


def test_a_timeline_is_one_variant() -> None:
    (bar,) = startup_timeline(VALID_PHASES, "vm", LOOK).data
    assert list(bar.y) == ["kernel", "first response"]
    assert list(bar.base) == [0.0, 2.0]


def test_markup_in_a_phase_name_is_inert() -> None:
    named = VALID_PHASES.assign(phase=VALID_PHASES["phase"].str.replace("kernel", "<a href='x'>k</a>"))
    text = startup_phases(named, TRIALS, SUMMARIES, LOOK).to_json()
    assert "<a" not in text


def test_nothing_that_counts_is_said_in_a_sentence() -> None:
    none = PHASES.iloc[:0]
    with pytest.raises(NothingToDraw, match="No valid trial"):
        startup_phases(none, TRIALS.assign(counts=False), SUMMARIES, LOOK)
    with pytest.raises(NothingToDraw, match=r"No valid trial of vm \(emulated\)"):
        startup_timeline(none, "vm", LOOK)


def test_levels_that_the_summaries_tell_apart_have_a_row_each() -> None:
    trials = TRIALS.assign(level=["100 rps", "300 rps", "300 rps", "100 rps"])
    summaries = pd.concat([SUMMARIES.assign(level="100 rps"), SUMMARIES.assign(level="300 rps")])
    figure = startup_phases(VALID_PHASES, trials, summaries, LOOK)
    assert list(figure.layout.yaxis.categoryarray) == ["vm (emulated)<br>100 rps", "vm (emulated)<br>300 rps"]
    assert len([trace for trace in figure.data if trace.error_x.visible]) == 2


def test_an_interval_far_out_does_not_squeeze_the_rest() -> None:
    figure = startup_phases(VALID_PHASES, TRIALS, SUMMARIES.assign(high=9000.0), LOOK)
    assert 9.0 < figure.layout.xaxis.range[1] < 30.0
