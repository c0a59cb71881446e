"""A request as it is kept: libCacheSim's oracleGeneral record, in blocks of a fixed length."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from harness.errors import SpecError

RECORD = np.dtype([("time", "<u4"), ("id", "<u8"), ("size", "<u4"), ("next", "<i8")])
"""Seconds, the object, its size in bytes, and the place in the sequence of its next request (NEVER: there is none)."""

NEVER = -1

BLOCK = 1 << 20
"""Requests in memory at a time (24 MiB of records)."""

Block = NDArray[np.void]
"""An array of RECORD. ``next`` is NEVER throughout unless something says that it was filled in."""

_SHOWN = 5


def records(count: int) -> Block:
    """``count`` empty records without a next request."""
    block = np.zeros(count, RECORD)
    block["next"] = NEVER
    return block


@dataclass(slots=True)
class BadRecords:
    """What a trace holds that is no request. More than ``limit`` of them end the reading with SpecError.

    ``count`` is exact; ``shown`` holds the first few as sentences that begin with their place.
    """

    source: str
    limit: int
    count: int = 0
    shown: list[str] = field(default_factory=list)

    def add(self, place: str, why: str) -> None:
        """Count one, such as ``line 7``. Raises SpecError beyond the limit."""
        self.count += 1
        if len(self.shown) < _SHOWN:
            self.shown.append(f"{place}: {why}")
        if self.count > self.limit:
            raise SpecError(
                f"{self.source} has more than {self.limit} bad records: {'; '.join(self.shown)}.",
                "Correct it, name its format with --format, or accept more with --max-bad.",
            )


Progress = Callable[[str, int, int], None]
"""What is being done, how much of it is done, and of how much (0: not known)."""


def quiet(_what: str, _done: int, _total: int) -> None:
    """No progress is shown."""
