"""Which bytes of an object a request wants (RFC 9110, section 14)."""

from __future__ import annotations

import re

MAX_RANGES = 16

_RANGES = re.compile(r"bytes=(.+)", re.IGNORECASE)
_RANGE = re.compile(r"([0-9]{0,18})-([0-9]{0,18})")


def wanted(value: str, size: int) -> list[tuple[int, int]] | None:
    """The satisfiable ranges in that field of a request for an object of that size, each as start and end (excluded).

    None for what is to be answered with the whole object: no range, none of bytes, a malformed one, more than 16 of
    them, or more bytes than the object has, which is how a storm of ranges asks. Empty: none of them can be satisfied.
    """
    field = _RANGES.fullmatch(value)
    if field is None:
        return None
    named = [part.strip(" \t") for part in field[1].split(",")]
    specs = [spec for spec in named if spec]
    if not 0 < len(specs) <= MAX_RANGES:
        return None
    found = []
    for spec in specs:
        match = _RANGE.fullmatch(spec)
        if match is None or spec == "-":
            return None
        first, last = match.groups()
        if first and last and int(last) < int(first):
            return None
        start = int(first) if first else max(0, size - int(last))
        end = min(size, int(last) + 1) if first and last else size
        if start < end:
            found.append((start, end))
    return None if sum(end - start for start, end in found) > size else found
