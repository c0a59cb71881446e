"""Raw samples, one per request: kept in memory while the load runs, written once, in binary.

The file is a plain array of ``SAMPLE_DTYPE`` records, sorted by nothing in particular. Its sidecar ``<file>.json``
holds the table of task names, that of the regions and the generator's own facts. Schema history: 1, the first; 2,
region and cache.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.errors import StoreError

SCHEMA = 2

SAMPLE_DTYPE = np.dtype(
    [
        ("intended_ns", "<i8"),
        ("sent_ns", "<i8"),
        ("done_ns", "<i8"),
        ("phase", "u1"),
        ("outcome", "u1"),
        ("status", "<u2"),
        ("task", "<u2"),
        ("bytes", "<u4"),
        ("region", "u1"),
        ("cache", "u1"),
    ]
)
"""One request. Times are nanoseconds of the host's monotonic clock.

Latency = done - intended; service time = done - sent; send lag = sent - intended. For a dropped arrival ``sent_ns`` and
``done_ns`` are the moment it was dropped; ``status`` is 0 where there was no response; ``bytes`` is the body's length.
A task's first request counts from the arrival's intended time. Later requests of the same task bear the name
``<task>#2``, ``<task>#3`` … in the table of tasks, and their intended time is when they were sent. ``region`` is the
client's place in the table of regions (0 where that is empty), ``cache`` a number of Cache.
"""

Samples = NDArray[np.void]
"""An array of ``SAMPLE_DTYPE``."""

_RECORD = struct.Struct("<qqqBBHHIBB")
_OUTCOME_OFFSET = 25


class Phase(IntEnum):
    """The part of the run that a request belongs to, by its intended time."""

    WARMUP = 0
    MEASURED = 1
    TAIL = 2
    CAPACITY = 3


class Outcome(IntEnum):
    """``UNEXPECTED``: an answer with the wrong status or body. ``ERROR``: none (refused, broken off, timed out)."""

    OK = 0
    DROPPED = 1
    ERROR = 2
    UNEXPECTED = 3


class Cache(IntEnum):
    """What the cache said that it made of the request; the words are those of harness.store.samples."""

    NONE = 0
    HIT = 1
    MISS = 2
    STALE = 3
    COLLAPSED = 4
    PASS = 5


CACHE_WORDS = tuple(word.name.lower() for word in Cache)


class Sample(NamedTuple):
    """One request, as ``SAMPLE_DTYPE`` says it; ``size`` is its ``bytes``."""

    intended_ns: int
    sent_ns: int
    done_ns: int
    phase: int
    outcome: int
    status: int
    task: int
    size: int
    region: int = 0
    cache: int = 0


class Recorder:
    """Appends samples to one growing buffer. Room for ``expected`` samples is made at once, outside the window."""

    def __init__(self, expected: int, regions: Sequence[str] = ()) -> None:
        self._regions = list(regions)
        self._buffer = bytearray(_RECORD.size * max(expected, 1024))
        self._used = 0
        self.missed_bytes = 0
        """The bodies of all the answers that a cache had to fetch first."""
        self._tasks: dict[str, int] = {}

    def __len__(self) -> int:
        return self._used // _RECORD.size

    def task(self, name: str) -> int:
        """The number that stands for ``name`` in the samples."""
        return self._tasks.setdefault(name, len(self._tasks))

    def add(self, sample: Sample) -> int:
        """Record one request; returns its position, for ``mark``."""
        at = self._used
        if at == len(self._buffer):
            self._buffer.extend(bytes(len(self._buffer)))
        _RECORD.pack_into(self._buffer, at, *sample)
        self._used = at + _RECORD.size
        if sample.cache == Cache.MISS:
            self.missed_bytes += sample.size
        return at

    def mark(self, position: int, outcome: Outcome) -> None:
        """Correct the outcome of a recorded request: its task found fault with the answer later."""
        self._buffer[position + _OUTCOME_OFFSET] = outcome

    def samples(self) -> Samples:
        """A copy of everything recorded so far."""
        return np.frombuffer(bytes(self._buffer[: self._used]), dtype=SAMPLE_DTYPE)

    def write(self, path: Path, facts: Mapping[str, object]) -> None:
        """Write the samples, then the sidecar: a sidecar therefore always belongs to a complete sample file."""
        path.write_bytes(memoryview(self._buffer)[: self._used])
        sidecar = {
            "schema": SCHEMA,
            "samples": len(self),
            "tasks": list(self._tasks),
            "regions": self._regions,
            "facts": dict(facts),
        }
        sidecar_path(path).write_text(json.dumps(sidecar, indent=1))


def sidecar_path(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def read_samples(path: Path) -> tuple[Samples, list[str]]:
    """The samples and the table of task names. Raises StoreError when the pair is missing or does not fit together."""
    samples, tasks, _ = read_run(path)
    return samples, tasks


def read_run(path: Path) -> tuple[Samples, list[str], dict[str, object]]:
    """The samples, the table of task names, and the generator's facts. Raises StoreError as ``read_samples`` does."""
    remedy = "the generator was killed before it could write its samples; run the trial again"
    try:
        sidecar = json.loads(sidecar_path(path).read_text())
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        raise StoreError(f"the generator's samples cannot be read: {error}", remedy) from error
    if sidecar["schema"] != SCHEMA or len(data) != sidecar["samples"] * SAMPLE_DTYPE.itemsize:
        raise StoreError(f"{path} and its sidecar do not fit together", remedy)
    return np.frombuffer(data, dtype=SAMPLE_DTYPE), list(sidecar["tasks"]), dict(sidecar["facts"])
