"""What caches made of the requests of one attempt: counts and ratios that are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.caching import Counts, at_origin, parts_of, ratios, regions_of, words_of
from harness.records.cache import OriginCount
from harness.records.trial import TrialRecord
from harness.store.samples import CACHE
from tests.unit.analysis.synthetic_records import record


def samples(*words: str, sizes: list[int] | None = None, outcome: str = "ok") -> pd.DataFrame:
    """A request for each word, of 10 bytes unless told otherwise."""
    return pd.DataFrame({"cache": list(words), "bytes": sizes or [10] * len(words), "outcome": outcome})


def attempt(requests: int | None) -> TrialRecord:
    made = record("container", "100 rps", 100.0, 1, 1, np.random.default_rng(1))
    origin = None if requests is None else OriginCount(requests=requests, bytes=0)
    return replace(made, origin=origin)


def test_hit_ratios_are_of_what_is_cacheable() -> None:
    found = ratios(samples("hit", "stale", "miss", "collapsed", "pass", "none", sizes=[30, 10, 20, 20, 500, 500]))
    assert found == {"hit_ratio": 0.5, "byte_hit_ratio": 0.5}


@pytest.mark.parametrize("words", [(), ("none", "none"), ("pass",)])
def test_where_nothing_is_cacheable_there_is_no_ratio(words: tuple[str, ...]) -> None:
    assert ratios(samples(*words)) == {}


def test_empty_objects_have_a_ratio_by_requests_alone() -> None:
    assert ratios(samples("hit", "miss", sizes=[0, 0])) == {"hit_ratio": 0.5, "byte_hit_ratio": None}


def test_a_frame_without_the_columns_says_nothing() -> None:
    bare = pd.DataFrame({"bytes": [1, 2]})
    assert list(words_of(bare)) == ["none", "none"]
    assert list(regions_of(bare)) == ["", ""]
    assert ratios(bare) == {}


def test_parts_tell_what_was_served_from_what_waited() -> None:
    assert list(parts_of(pd.Series(CACHE, dtype="str"))) == ["none", "hit", "miss", "hit", "miss", "miss"]


def test_the_origin_is_held_against_what_was_fetched() -> None:
    seen = pd.concat([samples("hit", "miss", "miss", "pass", "stale", "collapsed"), samples("none", outcome="error")])
    counts = Counts.of(seen)
    assert (counts.answered, counts.served, counts.fetched, counts.stale, counts.collapsed) == (6, 2, 3, 1, 1)
    assert counts.errors == 1
    assert at_origin(attempt(3), seen) == {"origin_requests": 3.0, "offload": 0.5}
    assert at_origin(attempt(None), seen) == {}
    assert at_origin(attempt(0), seen.iloc[:0]) == {"origin_requests": 0.0, "offload": None}


@given(st.lists(st.sampled_from(CACHE), max_size=50))
def test_every_answer_is_counted_once(words: list[str]) -> None:
    counts = Counts.of(samples(*words))
    assert counts.served + counts.fetched + counts.collapsed + words.count("none") == counts.answered == len(words)
