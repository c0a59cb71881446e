"""Trace files: which format one has, and its requests as a stream."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.errors import SpecError
from harness.simulation.compressed import chunks
from harness.simulation.csv_trace import csv_blocks
from harness.simulation.options import CSV, FORMATS, MAX_BAD
from harness.simulation.records import RECORD, BadRecords, Block


@dataclass(frozen=True, slots=True)
class Trace:
    """A trace file. ``bad`` fills up while ``blocks`` is read."""

    path: Path
    format: str
    bad: BadRecords

    @classmethod
    def of(cls, path: Path, format: str | None = None, max_bad: int = MAX_BAD) -> Trace:
        """The trace of that file, of a format by name, or the one that its file's name tells. Reads nothing yet.

        Raises SpecError for an unknown format.
        """
        return cls(path, _known(path, format), BadRecords(str(path), max_bad))

    @property
    def name(self) -> str:
        return self.path.name

    def blocks(self) -> Iterator[Block]:
        """Its requests in order, in memory that does not grow with the trace; ``next`` is not to be relied on.

        Raises SpecError for a file that cannot be read or is truncated or damaged, and for too many bad records.
        """
        content = chunks(self.path)
        return csv_blocks(content, self.bad) if self.format == CSV else _oracle_general(content, self.bad)


def _known(path: Path, format: str | None) -> str:
    if format is not None:
        by_name = {known.lower(): known for known in FORMATS}
        if format.lower() not in by_name:
            raise SpecError(f"There is no trace format {format!r}.", f"Known formats: {', '.join(FORMATS)}.")
        return by_name[format.lower()]
    parts = [part.lower() for part in path.name.split(".")[1:]]
    for known in FORMATS:
        if known.lower() in parts:
            return known
    raise SpecError(
        f"The format of {path} is not known from its name.",
        f"Name it with --format: {' or '.join(FORMATS)} (each may be compressed with zstd).",
    )


def _oracle_general(content: Iterator[bytes], bad: BadRecords) -> Iterator[Block]:
    carried, done = b"", 0
    for chunk in content:
        data = carried + chunk
        whole = len(data) // RECORD.itemsize
        block = np.frombuffer(data, RECORD, whole)
        carried = data[whole * RECORD.itemsize :]
        empty = block["size"] == 0
        if empty.any():
            for place in np.flatnonzero(empty)[: bad.limit + 1]:
                bad.add(f"record {done + int(place) + 1}", "its object has a size of 0")
            block = block[~empty]
        done += whole
        yield block
    if carried:
        raise SpecError(
            f"{bad.source} is truncated: {len(carried)} bytes follow record {done}, a record has {RECORD.itemsize}.",
            "Fetch it again, or name its format with --format if it is not oracleGeneral.",
        )
