"""A catalogue, and sequences and traces mapped onto it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import SpecError
from harness.simulation import sequences
from harness.simulation.catalogue import Catalogue, requests
from harness.simulation.records import Block, records
from harness.simulation.traces import Trace
from harness.spec.sequence import SURGE_MU, CatalogueSpec, SequenceSpec

CATALOGUE = Catalogue.of(CatalogueSpec(objects=5_000, seed=7))
BLOCK = 1 << 10


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequences, "BLOCK", BLOCK)


def joined(blocks: list[Block]) -> Block:
    return np.concatenate(blocks) if blocks else records(0)


def oracle(folder: Path, ids: list[int]) -> Trace:
    block = records(len(ids))
    block["id"], block["size"], block["time"] = ids, 77, np.arange(len(ids))
    path = folder / "a.oracleGeneral"
    path.write_bytes(block.tobytes())
    return Trace.of(path)


def test_a_catalogue_has_the_published_sizes_and_its_own_seed() -> None:
    found = Catalogue.of(CatalogueSpec())
    assert found.objects == 100_000
    assert found.sizes.dtype == np.uint32
    assert np.log(found.sizes).mean() == pytest.approx(SURGE_MU, abs=0.02)
    assert found.bytes == sum(map(int, found.sizes))
    assert found.mean_bytes == pytest.approx(27_600, rel=0.03)
    assert found.mean_bytes == pytest.approx(CatalogueSpec().mean_bytes, rel=0.03)
    assert CatalogueSpec(size_bytes=7).mean_bytes == 7
    assert (Catalogue.of(CatalogueSpec(seed=2)).sizes != found.sizes).mean() > 0.99
    assert (Catalogue.of(CatalogueSpec(objects=100)).sizes == found.sizes[:100]).all()
    assert set(Catalogue.of(CatalogueSpec(objects=10, size_bytes=9)).sizes) == {9}


@settings(max_examples=40)
@given(
    total=st.integers(1, 6_000), start=st.integers(0, 6_000), count=st.integers(0, 6_000),
    wonders=st.sampled_from([0.0, 0.2]), scans=st.sampled_from([0.0, 0.3]), drift=st.sampled_from([0.0, 0.5]),
)  # fmt: skip
def test_any_part_of_a_sequence_is_that_part_with_the_catalogues_sizes(
    total: int, start: int, count: int, wonders: float, scans: float, drift: float
) -> None:
    spec = SequenceSpec(
        requests=total, objects=2_000, exponent=0.8, wonders=wonders, scans=scans, scan_length=50, drift=drift, seed=3
    )
    whole = joined(list(sequences.blocks(spec)))
    if start + count > total:
        with pytest.raises(SpecError, match=f"the sequence has {total} requests, and {start + count} are needed"):
            requests(CATALOGUE, spec, start, count)
        return
    found = joined(list(requests(CATALOGUE, spec, start, count)))
    assert (found["id"] == whole["id"][start : start + count]).all()
    assert (found["size"] == CATALOGUE.sizes[found["id"]]).all()
    assert len(found) == count
    assert len(joined(list(requests(CATALOGUE, spec, start)))) == max(0, total - start)


def test_it_comes_in_blocks(tmp_path: Path) -> None:
    spec = SequenceSpec(requests=3 * BLOCK, objects=10, exponent=1)
    assert [len(block) for block in requests(CATALOGUE, spec, 5, 2 * BLOCK)] == [BLOCK - 5, BLOCK, 5]
    assert list(requests(CATALOGUE, spec, 0, 0)) == []
    assert list(requests(CATALOGUE, oracle(tmp_path, []))) == []


def test_a_sequence_that_needs_more_objects_is_refused_before_anything_is_asked_for() -> None:
    spec = SequenceSpec(requests=4_000, objects=5_001, exponent=1)
    with pytest.raises(SpecError, match="asks for 5001 different objects, and the catalogue has 5000") as raised:
        requests(CATALOGUE, spec)
    assert "[catalogue]" in raised.value.remedy
    wonders = SequenceSpec(requests=4_000, objects=4_500, exponent=1, wonders=0.25, scans=0.1, scan_length=100)
    asked = joined(list(sequences.blocks(wonders)))
    needed = int(asked["id"].max()) + 1
    assert needed == 4_500 + sequences.wonders_among(wonders, 4_000) > 5_000
    with pytest.raises(SpecError, match=f"asks for {needed} different objects"):
        requests(CATALOGUE, wonders)
    # Only what is asked for counts.
    assert len(joined(list(requests(CATALOGUE, wonders, 0, 1_000)))) == 1_000


def test_the_kth_different_object_of_a_trace_is_number_k(tmp_path: Path) -> None:
    trace = oracle(tmp_path, [900, 5, 900, 2**64 - 1, 5, 7])
    found = joined(list(requests(CATALOGUE, trace)))
    assert found["id"].tolist() == [0, 1, 0, 2, 1, 3]
    assert (found["size"] == CATALOGUE.sizes[found["id"]]).all()
    assert joined(list(requests(CATALOGUE, trace, 3, 2)))["id"].tolist() == [2, 1]


def test_a_trace_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    trace = oracle(tmp_path, [3, 1, 2, 3])
    with pytest.raises(SpecError, match=r"a\.oracleGeneral asks for more than 2 different objects"):
        list(requests(Catalogue.of(CatalogueSpec(objects=2)), trace))
    with pytest.raises(SpecError, match=r"a\.oracleGeneral has 4 requests, and 5 are needed"):
        list(requests(CATALOGUE, trace, 2, 3))
