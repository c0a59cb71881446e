"""Traces as comma-separated text: a time in seconds, an object, its size in bytes.

With a header the columns ``time``, ``id`` and ``size`` (or their other usual names) may stand anywhere among others;
without one they are the first three. An id that is a whole number below 2**64 is kept as it is, any other text is
hashed to 64 bits. Spaces and double quotes around a field are dropped; a comma within one is not possible.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from harness.errors import SpecError
from harness.simulation.records import RECORD, BadRecords, Block, records

_LONGEST_LINE = 1 << 20
_U32 = 1 << 32
_U64 = 1 << 64
_WHOLE = re.compile(rb"\+?[0-9]+\Z")
_SHORT_WHOLE = "[0-9]{1,18}"
"""Whole numbers that fit into 63 bits for certain."""

_DECIMAL = re.compile(rb"\+?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]{1,2})?\Z")
_NAMES = {
    "time": (b"time", b"timestamp", b"ts", b"clock_time"),
    "id": (b"id", b"obj_id", b"object_id", b"object", b"key"),
    "size": (b"size", b"obj_size", b"object_size", b"bytes"),
}


@dataclass(frozen=True, slots=True)
class _Columns:
    time: int = 0
    id: int = 1
    size: int = 2

    @property
    def least(self) -> int:
        """How many fields a line must have."""
        return max(self.time, self.id, self.size) + 1


def csv_blocks(chunks: Iterator[bytes], bad: BadRecords) -> Iterator[Block]:
    """The requests of that text, block by block. Raises SpecError for a text that has no lines, or too many bad ones.

    The numbers of lines in ``bad`` count from 1, the header included.
    """
    columns: _Columns | None = None
    line = 1
    for text in _whole_lines(chunks, bad.source):
        rest = text
        if columns is None:
            first, _, after = text.removeprefix(b"\xef\xbb\xbf").partition(b"\n")
            named = _header(_fields(first))
            columns = named or _Columns()
            rest = after if named else text.removeprefix(b"\xef\xbb\xbf")
            line += named is not None
        if rest:
            lines = rest.count(b"\n")
            block = _fast(rest, columns, lines)
            yield _careful(rest, columns, line, bad) if block is None else block
            line += lines


def _whole_lines(chunks: Iterator[bytes], source: str) -> Iterator[bytes]:
    """The text cut between lines; each part ends in a line end, the last one too."""
    carried = b""
    for chunk in chunks:
        text = carried + chunk
        end = text.rfind(b"\n") + 1
        carried = text[end:]
        if len(carried) > _LONGEST_LINE:
            raise SpecError(f"{source} has a line of more than 1 MiB.", "It is not CSV: name its format with --format.")
        if end:
            yield text[:end]
    if carried:
        yield carried + b"\n"


def _fields(line: bytes) -> list[bytes]:
    return [field.strip(b' \t\r"') for field in line.split(b",")]


def _header(fields: list[bytes]) -> _Columns | None:
    names = [field.lower() for field in fields]
    places = {key: next((names.index(n) for n in known if n in names), None) for key, known in _NAMES.items()}
    found = {key: place for key, place in places.items() if place is not None}
    return _Columns(**found) if len(found) == len(_NAMES) else None


def _fast(text: bytes, columns: _Columns, lines: int) -> Block | None:
    """All lines at once, if every one of them is good and every id a number; else None."""
    from pandas import read_csv

    if b"\0" in text:
        return None
    # Where there is anything but digits, pandas would take 1e3 for a whole number as well.
    plain = not text.translate(None, b"0123456789,\n")
    try:
        with np.errstate(invalid="raise"):
            frame = read_csv(
                io.BytesIO(text),
                header=None,
                usecols=[columns.time, columns.id, columns.size],
                dtype={
                    columns.time: np.float64,
                    columns.id: np.uint64 if plain else str,
                    columns.size: np.int64 if plain else str,
                },
                na_filter=False,
                skip_blank_lines=False,
                quoting=3,
            )
    except (ValueError, OverflowError, FloatingPointError):
        return None
    if not plain:
        for column in (columns.id, columns.size):
            if not frame[column].str.fullmatch(_SHORT_WHOLE).all():
                return None
        frame = frame.astype({columns.id: np.uint64, columns.size: np.int64})
    time, size = frame[columns.time].to_numpy(), frame[columns.size].to_numpy()
    good = (time >= 0) & (time < _U32) & (size > 0) & (size < _U32)
    if len(frame) != lines or not good.all():
        return None
    block = records(lines)
    block["time"], block["id"], block["size"] = time.astype("<u4"), frame[columns.id].to_numpy(), size
    return block


def _careful(text: bytes, columns: _Columns, first_line: int, bad: BadRecords) -> Block:
    """Line by line, as a text with bad lines or with ids that are no numbers needs it."""
    found = []
    for number, line in enumerate(text[:-1].split(b"\n"), start=first_line):
        parsed = _request(_fields(line), columns)
        if isinstance(parsed, str):
            bad.add(f"line {number}", parsed)
        else:
            found.append((*parsed, -1))
    return np.array(found, RECORD)


def _request(fields: list[bytes], columns: _Columns) -> tuple[int, int, int] | str:
    """Time, id and size; or what is wrong."""
    if len(fields) < columns.least:
        return f"it has {len(fields)} of at least {columns.least} fields" if any(fields) else "it is empty"
    time, name, size = fields[columns.time], fields[columns.id], fields[columns.size]
    if not _DECIMAL.match(time) or not float(time) < _U32:
        return f"the time {_shown(time)} is not a number of seconds below 2^32"
    if not name:
        return "the id is empty"
    if not _WHOLE.match(size) or len(size) > 20 or not 0 < int(size) < _U32:
        return f"the size {_shown(size)} is not a whole number of bytes from 1 to 2^32 - 1"
    return int(float(time)), _number(name), int(size)


def _number(name: bytes) -> int:
    if len(name) <= 20 and _WHOLE.match(name) and int(name) < _U64:
        return int(name)
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "little")


def _shown(field: bytes) -> str:
    text = field[:40].decode("utf-8", "replace")
    return repr(text + "…" if len(field) > 40 else text)
