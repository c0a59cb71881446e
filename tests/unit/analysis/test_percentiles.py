from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.analysis.percentiles import minimum_samples, percentile


@pytest.mark.parametrize(("q", "least"), [(0.5, 6), (0.9, 36), (0.95, 72), (0.99, 368), (0.999, 3688)])
def test_minimum_is_the_methods(q: float, least: int) -> None:
    assert minimum_samples(q) == least


@given(st.floats(0.01, 0.999))
def test_minimum_agrees_with_the_binomial(q: float) -> None:
    def widest_interval_misses(n: int) -> float:
        return float(max(stats.binom.pmf(0, n, q), stats.binom.pmf(n, n, q)))

    least = minimum_samples(q)
    assert widest_interval_misses(least) <= 0.025 * (1 + 1e-9)
    assert least == 1 or widest_interval_misses(least - 1) > 0.025 * (1 - 1e-9)


@pytest.mark.parametrize("q", [0.0, 1.0, -1.0])
def test_minimum_refuses_what_is_no_quantile(q: float) -> None:
    with pytest.raises(ValueError, match="quantile"):
        minimum_samples(q)


def test_a_percentile_with_too_few_samples_is_not_printed() -> None:
    assert percentile(np.arange(367.0), 0.99) is None
    assert percentile(np.arange(368.0), 0.99) == 364.0


@given(st.lists(st.floats(0, 1e6), min_size=36, max_size=200))
def test_a_percentile_is_a_value_with_enough_at_or_below_it(values: list[float]) -> None:
    data = np.array(values)
    found = percentile(data, 0.9)
    assert found in values
    assert (data <= found).mean() >= 0.9
    assert (data < found).mean() <= 0.9
