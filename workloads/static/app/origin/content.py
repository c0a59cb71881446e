"""What an object's body is. The origin and whoever checks its answers take it from here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

UNIT_BYTES = 1024
_PIECE_BYTES = 64 * UNIT_BYTES


def unit(path: str) -> bytes:
    """The 1,024 bytes that the body of the object at that path repeats: SHAKE-128 of the path."""
    return hashlib.shake_128(path.encode("ascii")).digest(UNIT_BYTES)


def content(path: str, size: int) -> bytes:
    """The whole body of the object at that path: its unit repeated and cut to its size."""
    return cut(unit(path), 0, size)


def cut(repeated: bytes, start: int, end: int) -> bytes:
    """Bytes ``start`` to ``end`` (excluded) of what that unit is repeated to."""
    into = start % UNIT_BYTES
    until = into + end - start
    return (repeated * -(-until // UNIT_BYTES))[into:until]


def pieces(repeated: bytes, start: int, end: int) -> Iterator[bytes]:
    """The same in pieces of at most 64 KiB, so that a large object is never in memory as a whole."""
    for begin in range(start, end, _PIECE_BYTES):
        yield cut(repeated, begin, min(end, begin + _PIECE_BYTES))
