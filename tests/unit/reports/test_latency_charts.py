from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.charts import Look, NothingToDraw, ecdf, percentile_curves
from reports.charts.latency import highest_percentile, nines, quantile_grid

TRIALS = pd.DataFrame(
    [("measured", "process", "none"), ("measured", "vm", "tcg")], columns=["kind", "variant", "accelerator"]
)
LOOK = Look.of(TRIALS)
EMPTY = pd.DataFrame({"trial": [], "variant": [], "level": [], "latency_ms": [], "service_time_ms": []})


def samples(count: int, *, slowest: float = 5000.0) -> pd.DataFrame:
    """Two trials of each variant; the first of each has one request of ``slowest`` milliseconds."""
    parts = []
    for variant, base in (("process", 1.0), ("vm", 20.0)):
        for trial in range(2):
            latency = base * (1.0 + trial) + np.linspace(0.0, base, count)
            if trial == 0:
                latency[0] = slowest
            parts.append(
                pd.DataFrame(
                    {"trial": f"{variant}-{trial}", "variant": variant, "level": "100 rps", "latency_ms": latency}
                )
            )
    return pd.concat(parts)


@pytest.mark.parametrize(("count", "percentile"), [(6, 0.5), (36, 0.9), (72, 0.95), (368, 0.99), (3688, 0.999)])
def test_a_percentile_needs_the_samples_that_the_method_states(count: int, percentile: float) -> None:
    assert highest_percentile(count) >= percentile
    assert highest_percentile(count - 1) < percentile


def test_nines() -> None:
    assert [round(nines(p), 9) for p in (0.0, 0.9, 0.99, 0.999)] == [0.0, 1.0, 2.0, 3.0]


@given(st.integers(min_value=2, max_value=10_000_000))
def test_the_grid_rises_from_zero_to_its_top(count: int) -> None:
    top = highest_percentile(count)
    grid = quantile_grid(top)
    assert grid[0] == 0.0
    assert grid[-1] == pytest.approx(top)
    assert (np.diff(grid) > 0).all()


def test_a_curve_is_the_median_trial_with_the_lowest_and_highest_as_its_band() -> None:
    figure = percentile_curves(samples(400), LOOK)
    line = next(trace for trace in figure.data if trace.name == "process")
    at_median = int(np.argmin(np.abs(np.asarray(line.x) - nines(0.5))))
    p = 1 - 10 ** -line.x[at_median]
    # Of two trials the median is their mean; 0.5 % room for the one slow request.
    assert line.y[at_median] == pytest.approx(1.5 + p, rel=0.005)
    assert any(trace.fill == "toself" and trace.legendgroup == "process" for trace in figure.data)


def test_a_curve_ends_where_the_samples_end() -> None:
    figure = percentile_curves(samples(400), LOOK)
    line = next(trace for trace in figure.data if trace.name == "process")
    assert max(line.x) == pytest.approx(nines(highest_percentile(400)))
    assert max(line.x) < nines(0.999)


def test_an_emulated_curve_is_named_so() -> None:
    for figure in (percentile_curves(samples(50), LOOK), ecdf(samples(50), LOOK)):
        assert {trace.name for trace in figure.data if trace.showlegend is not False} == {"process", "vm (emulated)"}


def test_the_ecdf_keeps_the_slowest_request() -> None:
    figure = ecdf(samples(5000, slowest=777.0), LOOK)
    line = next(trace for trace in figure.data if trace.name == "process")
    assert max(line.x) == 777.0
    assert line.y[-1] == 100.0
    assert len(line.x) <= 400


def test_without_samples_a_sentence_takes_the_place_of_a_chart() -> None:
    for make in (percentile_curves, ecdf):
        with pytest.raises(NothingToDraw, match="No valid trial"):
            make(EMPTY, LOOK)
