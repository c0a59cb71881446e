"""The sequence on disk: objects numbered, next requests filled in, warm-up apart, in memory that does not grow."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import SpecError, StoreError
from harness.simulation import spool as spooling
from harness.simulation.numbering import Numbering, numbered
from harness.simulation.records import NEVER, Block, records
from harness.simulation.spool import coarse, make_spool, stored

KEYS = st.lists(st.sampled_from([0, 1, 2, 3, 2**64 - 1, 77, 78, 79]), min_size=1, max_size=60)


def block_of(keys: list[int], sizes: list[int] | None = None) -> Block:
    block = records(len(keys))
    block["id"] = np.array(keys, np.uint64)
    block["size"] = sizes or [key % 100 + 1 for key in keys]
    return block


def cut(block: Block, length: int) -> list[Block]:
    return [block[begin : begin + length] for begin in range(0, len(block), length)]


@given(KEYS, st.integers(1, 20))
def test_objects_are_numbered_in_the_order_in_which_they_appear(keys: list[int], length: int) -> None:
    order = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    parts = list(numbered(cut(block_of(keys), length)))
    assert [int(key) for part in parts for key in part["id"]] == [order[key] for key in keys]


@given(KEYS, st.integers(1, 20), st.data())
def test_the_footprint_counts_each_object_once_with_its_first_size(
    keys: list[int], length: int, data: st.DataObject
) -> None:
    sizes = data.draw(st.lists(st.integers(1, 2**32 - 1), min_size=len(keys), max_size=len(keys)))
    first: dict[int, int] = {}
    for key, size in zip(keys, sizes, strict=True):
        first.setdefault(key, size)
    numbering = Numbering()
    for part in cut(block_of(keys, sizes), length):
        numbering.number(part)
    assert numbering.objects == len(first)
    assert numbering.footprint_bytes == sum(first.values())
    assert (numbering.smallest, numbering.largest) == (min(first.values()), max(first.values()))


@settings(max_examples=50)
@given(KEYS, st.integers(1, 20), st.integers(0, 9))
def test_every_request_knows_its_next_one(
    tmp_path_factory: pytest.TempPathFactory, keys: list[int], length: int, tenths: int
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spooling, "BLOCK", 7)
        made = make_spool(cut(block_of(keys), length), folder, name="it", warm_up=Fraction(tenths, 10))
    warm, measured = (np.concatenate([records(0), *stored(path)]) for path in (made.warm, made.measured))
    assert len(warm) == made.warm_up == len(keys) * tenths // 10
    whole = np.concatenate([warm, measured])
    assert made.requests == len(whole) == len(keys)
    following = [next((i for i in range(p + 1, len(keys)) if keys[i] == key), NEVER) for p, key in enumerate(keys)]
    assert whole["next"].tolist() == following
    assert whole["size"].tolist() == [key % 100 + 1 for key in keys]
    assert sorted(path.name for path in folder.iterdir()) == ["measured.oracleGeneral.zst", "warm.oracleGeneral.zst"]


def test_coarse_sizes_are_rounded_and_never_0(tmp_path: Path) -> None:
    made = make_spool([block_of([1, 2, 3, 4], [1, 14, 15, 100])], tmp_path, name="it")
    coarse(made.measured, 10, tmp_path / "coarse.zst")
    (block,) = stored(tmp_path / "coarse.zst")
    assert block["size"].tolist() == [1, 1, 2, 10]
    assert block["id"].tolist() == [1, 2, 3, 4]


def test_a_sequence_without_requests_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"it\.csv holds no request"):
        make_spool([], tmp_path, name="it.csv")


def test_a_full_disk_is_told() -> None:
    with pytest.raises(StoreError, match="could not be written to /dev/full: Not a directory") as raised:
        make_spool([block_of([1])], Path("/dev/full"), name="it")
    assert "TMPDIR" in raised.value.remedy


PEAK = """
import resource, sys
from pathlib import Path
from harness.simulation import sequences
from harness.simulation.spool import make_spool
from harness.spec.sequence import SequenceSpec
spec = SequenceSpec(requests=int(sys.argv[1]), objects=100_000, exponent=0.7)
make_spool(sequences.blocks(spec), Path(sys.argv[2]), name="it")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_requests(tmp_path: Path) -> None:
    peaks_kib = []
    for requests in (3_000_000, 9_000_000):
        folder = tmp_path / str(requests)
        folder.mkdir()
        command = [sys.executable, "-c", PEAK, str(requests), str(folder)]
        peaks_kib.append(int(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    # Six million more records would be 137 MiB.
    assert peaks_kib[1] - peaks_kib[0] < 32 * 1024
