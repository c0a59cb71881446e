"""The textbook's LFUDA, against the same rule written without its shortcuts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.simulation import lfuda
from harness.simulation.lfuda import Lfuda
from harness.simulation.records import records
from tests.support.plain_caches import lfuda as plain

REQUESTS = st.lists(st.integers(0, 12).map(lambda key: (key, key * 7 % 9 + 1)), min_size=1, max_size=80)


@given(REQUESTS, st.integers(1, 40), st.integers(0, 80))
def test_it_misses_what_the_plain_one_misses(requests: list[tuple[int, int]], capacity: int, warm: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lfuda, "_ROOM", 3)
        block = records(len(requests))
        block["id"], block["size"] = zip(*requests, strict=True)
        cache = Lfuda(capacity)
        cache.run([block[:warm]])
        measured = cache.run([block[warm:]])
    assert cache.seen == len(requests)
    if warm < len(requests):
        assert measured == pytest.approx(plain(requests, capacity).ratios(requests, begin=warm))
    else:
        assert measured == (0.0, 0.0)
