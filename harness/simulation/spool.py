"""A sequence on disk as the simulator reads it: numbered, with each request's next one, compressed, warm-up apart.

Memory grows with the objects only. On disk a request takes 24 bytes while it is prepared, about 10 afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa

from harness.errors import SpecError, StoreError
from harness.simulation.compressed import chunks
from harness.simulation.numbering import Numbering
from harness.simulation.records import BLOCK, NEVER, RECORD, Block, Progress, quiet


@dataclass(frozen=True, slots=True)
class Spool:
    """``warm`` and ``measured`` are oracleGeneral files compressed with zstd; the sequence's object k has the id k + 1.

    ``objects``, ``footprint_bytes``, ``smallest`` and ``largest`` (bytes) are those of the whole sequence.
    """

    folder: Path
    requests: int
    warm_up: int
    objects: int
    footprint_bytes: int
    smallest: int
    largest: int

    @property
    def warm(self) -> Path:
        return self.folder / "warm.oracleGeneral.zst"

    @property
    def measured(self) -> Path:
        return self.folder / "measured.oracleGeneral.zst"


def make_spool(
    blocks: Iterable[Block],
    folder: Path,
    *,
    name: str,
    warm_up: Fraction = Fraction(0),
    future: bool = True,
    progress: Progress = quiet,
) -> Spool:
    """Write that sequence into ``folder``. ``warm_up`` is the share of requests, from the start, that is not measured.

    ``future``: fill in each request's next one, which Belady's policy needs. Raises SpecError for a sequence without
    requests or that is warm-up only, StoreError where the disk does not take it, and what ``blocks`` raises.
    """
    raw = folder / "raw"
    numbering = Numbering()
    with _disk(folder):
        requests = _write_raw(blocks, raw, numbering, progress)
        if requests == 0:
            raise SpecError(f"{name} holds no request.", "Give a trace or a sequence that has some.")
        warm = int(warm_up * requests)
        if future:
            _link(raw, requests, numbering.objects, progress)
        smallest, largest = numbering.smallest, numbering.largest
        spool = Spool(folder, requests, warm, numbering.objects, numbering.footprint_bytes, smallest, largest)
        _compress(raw, spool, progress)
        raw.unlink()
    return spool


def coarse(source: Path, unit_bytes: int, target: Path) -> None:
    """``source`` again with sizes in units of ``unit_bytes``, rounded to the nearest and at least 1."""
    with _disk(target.parent), pa.CompressedOutputStream(pa.OSFile(str(target), "wb"), "zstd") as file:
        for block in stored(source):
            block["size"] = np.maximum(1, (block["size"] + unit_bytes / 2) // unit_bytes)
            file.write(block.tobytes())


def stored(path: Path) -> Iterator[Block]:
    """The requests of a spooled file."""
    carried = b""
    for chunk in chunks(path):
        data = carried + chunk
        whole = len(data) // RECORD.itemsize
        carried = data[whole * RECORD.itemsize :]
        yield np.frombuffer(data, RECORD, whole).copy()


def _write_raw(blocks: Iterable[Block], raw: Path, numbering: Numbering, progress: Progress) -> int:
    requests = 0
    with raw.open("wb") as file:
        for block in blocks:
            renamed = block.copy()
            renamed["id"] = numbering.number(block) + 1
            renamed["next"] = NEVER
            file.write(renamed.tobytes())
            requests += len(block)
            progress("reading the requests", requests, 0)
    return requests


def _link(raw: Path, requests: int, objects: int, progress: Progress) -> None:
    """Fill in ``next``, from the end to the beginning."""
    following = np.full(objects + 1, NEVER, np.int64)
    with raw.open("r+b") as file:
        for begin in reversed(range(0, requests, BLOCK)):
            file.seek(begin * RECORD.itemsize)
            block = np.frombuffer(file.read(BLOCK * RECORD.itemsize), RECORD).copy()
            ids = block["id"]
            order = np.argsort(ids, kind="stable")
            ranked = ids[order]
            last = np.append(ranked[1:] != ranked[:-1], True)
            after = np.append(order[1:], 0) + begin
            after[last] = following[ranked[last]]
            block["next"][order] = after
            first = np.append(True, last[:-1])
            following[ranked[first]] = order[first] + begin
            file.seek(begin * RECORD.itemsize)
            file.write(block.tobytes())
            progress("looking ahead", requests - begin, requests)


def _compress(raw: Path, spool: Spool, progress: Progress) -> None:
    parts = ((spool.warm, 0, spool.warm_up), (spool.measured, spool.warm_up, spool.requests))
    with raw.open("rb") as source:
        for path, begin, end in parts:
            with pa.CompressedOutputStream(pa.OSFile(str(path), "wb"), "zstd") as file:
                for place in range(begin, end, BLOCK):
                    file.write(source.read(min(BLOCK, end - place) * RECORD.itemsize))
                    progress("compressing", min(place + BLOCK, end), spool.requests)


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"the requests could not be written to {folder}: {error.strerror or error}",
            "set TMPDIR to a folder on a disk with room for some 35 bytes per request",
        ) from error
