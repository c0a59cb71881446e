"""Trace files: what is read from each format, and what is said of a bad one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import SpecError
from harness.simulation import csv_trace
from harness.simulation.records import RECORD, BadRecords, Block, records
from harness.simulation.traces import Trace

GOOD = b"time,id,size\n0,7,100\n1.9,8,200\n2,7,100\n"


def zstd(content: bytes) -> bytes:
    return bytes(pa.compress(content, codec="zstd", asbytes=True))


def oracle(*requests: tuple[int, int, int]) -> bytes:
    block = records(len(requests))
    for place, (time, key, size) in enumerate(requests):
        block[place] = (time, key, size, -1)
    return block.tobytes()


def read(trace: Trace) -> list[tuple[int, int, int]]:
    blocks = list(trace.blocks())
    whole: Block = np.concatenate(blocks) if blocks else records(0)
    return [(int(row["time"]), int(row["id"]), int(row["size"])) for row in whole]


def made(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


REQUESTS = [(0, 7, 100), (1, 8, 200), (2, 7, 100)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", GOOD),
        ("a.csv.zst", zstd(GOOD)),
        ("a.csv", b"0,7,100\n1,8,200\n2,7,100"),
        ("a.csv", b"\xef\xbb\xbftime,id,size\r\n0,7,100\r\n1,8,200\r\n2,7,100\r\n"),
        ("a.csv", b"size,what,timestamp,obj_id\n100,x,0,7\n200,,1,8\n100,y,2,7\n"),
        ("a.csv", b'"time","id","size"\n"0","7","100"\n "1" , 8 ,200\n2,7,100,more\n'),
        ("a.oracleGeneral", oracle(*REQUESTS)),
        ("a.oracleGeneral.bin", oracle(*REQUESTS)),
        ("a.oracleGeneral.zst", zstd(oracle(*REQUESTS))),
        ("a.oracleGeneral.bin.zst", zstd(oracle(*REQUESTS)[:30]) + zstd(oracle(*REQUESTS)[30:])),
    ],
)
def test_every_format_gives_the_same_requests(tmp_path: Path, name: str, content: bytes) -> None:
    trace = Trace.of(made(tmp_path, name, content))
    assert read(trace) == REQUESTS
    assert trace.bad.count == 0


def test_a_format_can_be_named_and_an_unknown_one_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path, "trace", oracle(*REQUESTS))
    assert read(Trace.of(path, "oraclegeneral")) == REQUESTS
    with pytest.raises(SpecError, match=r"The format of .*trace is not known from its name") as raised:
        Trace.of(path)
    assert "csv or oracleGeneral" in raised.value.remedy
    with pytest.raises(SpecError, match="There is no trace format 'vscsi'"):
        Trace.of(path, "vscsi")


def test_ids_that_are_no_numbers_are_told_apart_all_the_same(tmp_path: Path) -> None:
    text = b"0,/a.html,5\n1,/b.html,6\n2,/a.html,5\n3,18446744073709551615,1\n4,18446744073709551616,1\n"
    found = read(Trace.of(made(tmp_path, "a.csv", text)))
    ids = [key for _, key, _ in found]
    assert ids[0] == ids[2] != ids[1]
    assert ids[3] == 2**64 - 1 != ids[4]


def test_bad_lines_are_left_out_counted_and_named_by_their_numbers(tmp_path: Path) -> None:
    text = b"time,id,size\n0,1,10\n\n1,2\n-1,3,10\n2,,10\n3,4,0\n4,5,4294967296\n5,6,1.5\nx,7,1\n6,8,11\n"
    trace = Trace.of(made(tmp_path, "a.csv", text))
    assert read(trace) == [(0, 1, 10), (6, 8, 11)]
    assert trace.bad.count == 8
    assert [line.split(":")[0] for line in trace.bad.shown] == [f"line {number}" for number in (3, 4, 5, 6, 7)]
    assert trace.bad.shown[1] == "line 4: it has 2 of at least 3 fields"
    assert trace.bad.shown[2] == "line 5: the time '-1' is not a number of seconds below 2^32"


def test_line_numbers_count_on_from_one_part_of_the_text_to_the_next() -> None:
    bad = BadRecords("it", 10)
    list(csv_trace.csv_blocks(iter([b"time,id,size\n0,1,1", b"0\n1,2,10\nbad\n2,", b"3,10\nworse\n"]), bad))
    assert [line.split(":")[0] for line in bad.shown] == ["line 4", "line 6"]


@pytest.mark.parametrize("limit", [0, 3])
def test_too_many_bad_lines_end_the_reading(tmp_path: Path, limit: int) -> None:
    trace = Trace.of(made(tmp_path, "a.csv", b"0,1,10\n" + b"nonsense\n" * 50), max_bad=limit)
    with pytest.raises(SpecError, match=f"has more than {limit} bad records: line 2: it has 1 of at least 3") as raised:
        read(trace)
    assert "--max-bad" in raised.value.remedy
    assert trace.bad.count == limit + 1


def test_records_of_size_0_are_bad(tmp_path: Path) -> None:
    trace = Trace.of(made(tmp_path, "a.oracleGeneral", oracle((0, 1, 5), (1, 2, 0), (2, 3, 6))))
    assert read(trace) == [(0, 1, 5), (2, 3, 6)]
    assert trace.bad.shown == ["record 2: its object has a size of 0"]
    with pytest.raises(SpecError, match="more than 0 bad records"):
        read(Trace.of(trace.path, max_bad=0))


LONG = zstd(np.random.default_rng(1).bytes(24 * 50_000))


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("a.oracleGeneral", oracle(*REQUESTS)[:-5], "is truncated: 19 bytes follow record 2, a record has 24"),
        ("a.oracleGeneral.zst", LONG[:-9], "is truncated: its zstd data ends too early"),
        ("a.csv.zst", zstd(GOOD)[:-3], "is truncated: its zstd data ends too early"),
        ("a.oracleGeneral.zst", LONG[:9] + b"\xff" * 3 + LONG[12:], "is damaged: its zstd data cannot be decompressed"),
        ("a.csv.zst", zstd(GOOD) + b"and more", "is damaged: its zstd data cannot be decompressed"),
        ("a.csv", b"x" * (2 << 20), "has a line of more than 1 MiB"),
    ],
)
def test_a_truncated_or_damaged_file_is_named(tmp_path: Path, name: str, content: bytes, what: str) -> None:
    with pytest.raises(SpecError) as raised:
        read(Trace.of(made(tmp_path, name, content), max_bad=10**9))
    assert what in raised.value.what
    assert raised.value.remedy


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="There is no file"):
        read(Trace.of(tmp_path / "none.csv"))
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(SpecError, match="is a folder"):
        read(Trace.of(tmp_path / "folder.csv"))


ODD = ["0", "1", "007", "+5", "-1", "1.5", "1e3", "1e400", "nan", "inf", "", " 3 ", '"4"', "0x10", "1_0", "1.", ".5"]
ODD += ["18446744073709551615", "18446744073709551616", "4294967295", "4294967296", "TRUE", "\0", "\r", "é", "NA", "#"]
FIELD = st.one_of(
    st.sampled_from(ODD),
    st.integers(0, 2**64).map(str),
    st.text(st.characters(exclude_characters=",\n", exclude_categories=["Cs"]), max_size=6),
)
LINES = st.lists(st.lists(FIELD, min_size=1, max_size=5), min_size=1, max_size=6)
NUMBERS = st.lists(st.tuples(*[st.integers(0, 2**33).map(str)] * 3).map(list), min_size=1, max_size=6)


@given(st.one_of(LINES, NUMBERS))
def test_reading_at_once_gives_what_reading_line_by_line_gives(lines: list[list[str]]) -> None:
    text = "".join(",".join(line) + "\n" for line in lines).encode()
    columns = csv_trace._Columns()
    fast = csv_trace._fast(text, columns, text.count(b"\n"))
    bad = BadRecords("it", 100)
    careful = csv_trace._careful(text, columns, 1, bad)
    if fast is not None:
        assert bad.count == 0
        assert fast.dtype == careful.dtype == RECORD
        assert (fast == careful).all()


@pytest.mark.parametrize("odd", ["1e3", "1.", "18446744073709551616", "1_0", "+5", "0x10"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_odd_number_is_read_like_line_by_line_or_not_at_once(odd: str, place: int) -> None:
    fields = ["7", "8", "9"]
    fields[place] = odd
    text = (",".join(fields) + "\n").encode()
    columns = csv_trace._Columns()
    fast = csv_trace._fast(text, columns, 1)
    bad = BadRecords("it", 100)
    careful = csv_trace._careful(text, columns, 1, bad)
    assert fast is None or (bad.count == 0 and (fast == careful).all())


def test_plain_numbers_are_read_at_once() -> None:
    assert csv_trace._fast(b"0,1,5\n1.5,2,6\n", csv_trace._Columns(), 2) is not None
