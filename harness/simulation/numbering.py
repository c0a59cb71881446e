"""Numbers for a trace's objects in the order in which they first appear, and the catalogue that they make up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from harness.simulation.records import Block


class Numbering:
    """Gives every object a number from 0 on. Memory grows with the objects (about 50 bytes each), never with requests.

    ``footprint_bytes``: the sum over all objects of the size that each had in its first request; ``smallest`` and
    ``largest`` are of the same sizes.
    """

    def __init__(self) -> None:
        # Here, since only traces need it: a seeded sequence has its numbers. And not later, when requests are due.
        from pandas import factorize

        self._factorize = factorize
        self._ids = np.empty(0, np.uint64)
        self._numbers = np.empty(0, np.int64)
        self.footprint_bytes = 0
        self.smallest = 0
        self.largest = 0

    @property
    def objects(self) -> int:
        """How many objects have been seen."""
        return len(self._ids)

    def number(self, block: Block) -> NDArray[np.int64]:
        """The number of each request's object."""
        codes, ids = self._factorize(np.ascontiguousarray(block["id"]))
        places = np.searchsorted(self._ids, ids)
        known = np.zeros(len(ids), np.bool_)
        within = places < self.objects
        known[within] = self._ids[places[within]] == ids[within]
        numbers = np.empty(len(ids), np.int64)
        numbers[known] = self._numbers[places[known]]
        new = ~known
        numbers[new] = self.objects + np.arange(int(new.sum()))
        if new.any():
            self._measure(block["size"], codes, new)
            self._insert(ids[new], numbers[new])
        return np.asarray(numbers[codes])

    def _measure(self, sizes: NDArray[np.uint32], codes: NDArray[np.int64], new: NDArray[np.bool_]) -> None:
        first = np.empty(len(new), np.int64)
        # Assigned backwards, so that each object's first place is what stays.
        first[codes[::-1]] = np.arange(len(codes))[::-1]
        fresh = sizes[first[new]]
        self.footprint_bytes += int(fresh.sum(dtype=np.uint64))
        self.smallest = min(int(fresh.min()), self.smallest or int(fresh.min()))
        self.largest = max(int(fresh.max()), self.largest)

    def _insert(self, ids: NDArray[np.uint64], numbers: NDArray[np.int64]) -> None:
        order = np.argsort(ids)
        places = np.searchsorted(self._ids, ids[order])
        self._ids = np.insert(self._ids, places, ids[order])
        self._numbers = np.insert(self._numbers, places, numbers[order])


def numbered(blocks: Iterable[Block]) -> Iterator[Block]:
    """The same requests with their objects numbered from 0 on, in the order in which they first appear.

    So a trace is mapped onto a catalogue: request ``id`` k for the catalogue's object k.
    """
    return _renamed(Numbering(), blocks)


def _renamed(numbering: Numbering, blocks: Iterable[Block]) -> Iterator[Block]:
    for block in blocks:
        renamed = block.copy()
        renamed["id"] = numbering.number(block)
        yield renamed
