"""A workload's catalogue, and sequences of requests mapped onto it: the same for the client and the simulation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from harness.errors import SpecError
from harness.simulation.numbering import numbered
from harness.simulation.records import Block
from harness.simulation.sequences import blocks, object_sizes, wonders_among
from harness.simulation.traces import Trace
from harness.spec.sequence import CatalogueSpec, SequenceSpec


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """Objects 0 to ``objects`` - 1 and their sizes in bytes, each at least 1."""

    spec: CatalogueSpec
    sizes: NDArray[np.uint32]

    @classmethod
    def of(cls, spec: CatalogueSpec) -> Self:
        """The catalogue that an artifact built from the same table has (harness.artifacts.builders.catalogue)."""
        return cls(spec, object_sizes(spec, np.arange(spec.objects, dtype=np.uint64)))

    @property
    def objects(self) -> int:
        """How many there are."""
        return len(self.sizes)

    @property
    def bytes(self) -> int:
        """All of their bodies together: the footprint that a cache's share is of."""
        return int(self.sizes.sum(dtype=np.uint64))

    @property
    def mean_bytes(self) -> float:
        """The mean size."""
        return self.bytes / self.objects


def requests(
    catalogue: Catalogue, sequence: SequenceSpec | Trace, start: int = 0, count: int | None = None
) -> Iterator[Block]:
    """The requests from place ``start`` on, ``count`` of them or all that there are, block by block.

    ``id`` of a record is the catalogue's number of the object, and ``size`` its size there. Objects and one-hit wonders
    of a seeded sequence are numbers of the catalogue as they are; the k-th different object of a trace is number k,
    counted from the trace's beginning, whatever ``start`` is. Memory does not grow with the requests.

    Raises SpecError, at once or while it is iterated, if more objects are needed than the catalogue has, if there are
    fewer requests than ``start`` + ``count``, and what reading the trace raises.
    """
    name, mapped = _mapped(catalogue, sequence, None if count is None else start + count)
    return _sized(catalogue, _part(name, mapped, start, count))


def _mapped(catalogue: Catalogue, sequence: SequenceSpec | Trace, end: int | None) -> tuple[str, Iterator[Block]]:
    """What the sequence is called, and its requests with the catalogue's numbers. A seeded sequence is checked here."""
    if isinstance(sequence, Trace):
        return sequence.name, _within(sequence.name, catalogue, numbered(sequence.blocks()))
    name = "the sequence"
    last = sequence.requests if end is None else end
    if last > sequence.requests:
        raise _too_short(name, sequence.requests, last)
    needed = sequence.objects + wonders_among(sequence, last)
    if needed > catalogue.objects:
        raise _too_many(name, f"{needed}", catalogue)
    return name, blocks(sequence.model_copy(update={"requests": last}))


def _within(name: str, catalogue: Catalogue, mapped: Iterable[Block]) -> Iterator[Block]:
    for block in mapped:
        if len(block) and int(block["id"].max()) >= catalogue.objects:
            raise _too_many(name, f"more than {catalogue.objects}", catalogue)
        yield block


def _part(name: str, mapped: Iterator[Block], start: int, count: int | None) -> Iterator[Block]:
    """Places ``start`` to ``start`` + ``count`` of what is mapped."""
    end = None if count is None else start + count
    place = 0
    for block in mapped:
        part = block[max(0, start - place) : None if end is None else max(0, end - place)]
        place += len(block)
        if len(part):
            yield part
        if end is not None and place >= end:
            return
    if end is not None and place < end:
        raise _too_short(name, place, end)


def _sized(catalogue: Catalogue, mapped: Iterable[Block]) -> Iterator[Block]:
    """The same blocks with the catalogue's sizes written into them: they were made for this and are nobody else's."""
    for block in mapped:
        block["size"] = catalogue.sizes[block["id"]]
        yield block


def _too_many(name: str, needed: str, catalogue: Catalogue) -> SpecError:
    return SpecError(
        f"{name} asks for {needed} different objects, and the catalogue has {catalogue.objects}.",
        "Give the workload's [catalogue] more objects, or the sequence fewer, or fewer wonders or requests.",
    )


def _too_short(name: str, there: int, wanted: int) -> SpecError:
    return SpecError(
        f"{name} has {there} requests, and {wanted} are needed.",
        "Give it more requests, or ask for fewer (prefill, the load's duration and rate, replay.requests).",
    )
