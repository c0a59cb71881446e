"""Seeded sequences are pure functions of their specification, and are what they say they are."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from harness.errors import SpecError
from harness.simulation import sequences
from harness.simulation.records import BLOCK, Block
from harness.simulation.sequences import object_sizes, parse_sequence
from harness.spec.sequence import SURGE_MU, SURGE_SIGMA, SequenceSpec


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several blocks in a short sequence."""
    monkeypatch.setattr(sequences, "BLOCK", 1 << 12)


def drawn(spec: SequenceSpec) -> Block:
    return np.concatenate(list(sequences.blocks(spec)))


def ids(spec: SequenceSpec) -> NDArray[np.int64]:
    return np.asarray(drawn(spec)["id"].astype(np.int64))


parts = st.sampled_from([0.0, 0.05, 0.3])
specs = st.builds(
    SequenceSpec,
    requests=st.integers(1, 15_000),
    objects=st.integers(200, 3_000),
    exponent=st.floats(0, 2),
    seed=st.integers(0, 2**63 - 1),
    wonders=parts,
    scans=parts,
    scan_length=st.integers(1, 200),
    drift=parts,
    drift_every=st.integers(100, 9_000),
)


@settings(max_examples=25)
@given(specs, st.integers(1, 5_000))
def test_the_same_again_and_a_longer_one_begins_with_the_shorter(spec: SequenceSpec, more: int) -> None:
    first = drawn(spec)
    assert len(first) == spec.requests
    assert (first["size"] > 0).all()
    assert (first == drawn(spec)).all()
    longer = drawn(spec.model_copy(update={"requests": spec.requests + more}))
    assert (longer[: spec.requests] == first).all()


@settings(max_examples=15)
@given(specs)
def test_an_object_has_one_size_which_its_number_tells(spec: SequenceSpec) -> None:
    block = drawn(spec)
    assert (block["size"] == object_sizes(spec, block["id"])).all()


def test_another_seed_is_another_sequence() -> None:
    one, other = (SequenceSpec(requests=5_000, objects=1_000, exponent=0.9, seed=seed) for seed in (1, 2))
    assert (ids(one) != ids(other)).any()
    assert (drawn(one)["size"] != drawn(other)["size"]).any()


@pytest.mark.parametrize("exponent", [0.0, 0.8, 1.2])
def test_popularity_is_zipfs(exponent: float) -> None:
    spec = SequenceSpec(requests=40_000, objects=50, exponent=exponent, seed=5)
    counts = np.bincount(ids(spec), minlength=50)
    weights = np.arange(1, 51) ** -exponent
    assert stats.chisquare(counts, weights / weights.sum() * spec.requests).pvalue > 0.001


def test_sizes_are_log_normal_as_published() -> None:
    spec = SequenceSpec(requests=1, objects=1, exponent=1)
    logs = np.log(object_sizes(spec, np.arange(20_000, dtype=np.uint64)))
    assert stats.kstest(logs, stats.norm(SURGE_MU, SURGE_SIGMA).cdf).pvalue > 0.001


def test_wonders_are_asked_for_once() -> None:
    spec = SequenceSpec(requests=20_000, objects=500, exponent=0.9, wonders=0.25)
    found = ids(spec)
    wonders = found[found >= 500]
    assert (wonders == 500 + np.arange(len(wonders))).all()
    assert stats.binomtest(len(wonders), 20_000, 0.25).pvalue > 0.001


def test_scans_walk_through_the_catalogue_and_have_their_share() -> None:
    spec = SequenceSpec(requests=20_000, objects=100_000, exponent=3, scans=0.2, scan_length=400)
    found = ids(spec)
    # With so steep a law nearly every other request asks for one of the first few objects.
    steps = (np.diff(found) % 100_000 == 1) & (found[1:] > 100)
    assert abs(steps.sum() / 20_000 - 0.2) < 0.01


def test_drift_moves_the_popular_ones() -> None:
    spec = SequenceSpec(requests=40_000, objects=1_000, exponent=1.1, drift=0.5, drift_every=10_000)
    found = ids(spec)
    tops = [set(np.bincount(part, minlength=1_000).argsort()[-20:]) for part in found.reshape(4, -1)]
    kept = [len(one & two) for one, two in pairwise(tops)]
    assert all(2 <= count <= 17 for count in kept)
    still = SequenceSpec(requests=40_000, objects=1_000, exponent=1.1)
    first, *_, last = (set(np.bincount(part, minlength=1_000).argsort()[-10:]) for part in ids(still).reshape(4, -1))
    assert len(first & last) >= 8


def test_blocks_hold_no_more_than_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequences, "BLOCK", BLOCK)
    parts: Iterator[Block] = sequences.blocks(SequenceSpec(requests=BLOCK + 5, objects=10, exponent=1))
    assert [len(part) for part in parts] == [BLOCK, 5]


def test_a_text_names_a_sequence() -> None:
    found = parse_sequence(
        "zipf:requests=1e7, objects=1000,exponent=1,scan-length=10,seed=9223372036854775807,wonders=0.1"
    )
    assert found == SequenceSpec(
        requests=10_000_000, objects=1_000, exponent=1.0, scan_length=10, seed=2**63 - 1, wonders=0.1
    )


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("zipf:", "requests is missing"),
        ("zipf:requests=10,objects=10,exponent=1,speed=3", "speed is not a known key"),
        ("zipf:requests=-1,objects=10,exponent=1", "requests: input should be greater than or equal to 1"),
        ("zipf:requests=1.5,objects=10,exponent=1", "requests: "),
        ("zipf:requests=10,objects=many,exponent=1", "objects: "),
        ("zipf:requests=10,objects=10,exponent=nan", "exponent: "),
        ("zipf:requests=10,objects=10,exponent=1,wonders=1", "wonders: input should be less than 1"),
        ("zipf:requests=10,objects=10,exponent=1,scans=0.1", "scan_length is 1000, more than there are objects (10)"),
    ],
)
def test_a_wrong_text_is_refused(text: str, what: str) -> None:
    with pytest.raises(SpecError) as raised:
        parse_sequence(text)
    assert what in raised.value.what
    assert raised.value.what.startswith(text)
