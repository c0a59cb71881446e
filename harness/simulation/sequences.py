"""Seeded request sequences: pure functions of a specification, drawn block by block.

The same specification gives the same requests on every host, and a longer sequence begins with the shorter one. An
object's size is a function of the seed and its number alone (``object_sizes``), so that an origin can make the same
catalogue. Objects 0 to ``objects`` - 1 are the catalogue; one-hit wonders are numbered from ``objects`` on.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from harness.simulation.records import BLOCK, Block, records
from harness.spec.files import sequence_of
from harness.spec.sequence import ObjectSizes, SequenceSpec

PREFIX = "zipf:"
PER_SECOND = 1000
"""Requests per second of the time stamps. No policy here looks at them."""

_RANKS, _WONDERS, _DRIFT = range(3)
"""Independent streams of random numbers, so that one property does not change the draws of another."""
_SIZES, _SCANS = range(2)
_U64_MASK = (1 << 64) - 1


def parse_sequence(text: str) -> SequenceSpec:
    """The specification in ``zipf:requests=1e7,objects=1e6,exponent=0.9,…``, its keys those of SequenceSpec.

    Raises SpecError.
    """
    given: dict[str, object] = {}
    for part in filter(None, text.removeprefix(PREFIX).split(",")):
        key, _, value = part.partition("=")
        given[key.strip().replace("-", "_")] = _number(value.strip())
    return sequence_of(text, given)


def blocks(spec: SequenceSpec) -> Iterator[Block]:
    """The requests of that sequence, in order."""
    popular = _Popularity(spec)
    wonders_rng = _generator(spec.seed, _WONDERS)
    catalogue_sizes = object_sizes(spec, np.arange(spec.objects, dtype=np.uint64))
    wonders = 0
    for begin in range(0, spec.requests, BLOCK):
        count = min(BLOCK, spec.requests - begin)
        # Whole blocks are drawn and then cut, so that a sequence's length does not change its beginning.
        ids = popular.draw(begin)[:count]
        sizes = catalogue_sizes[ids]
        scanned, scan_ids = _scans(spec, begin, count)
        ids[scanned], sizes[scanned] = scan_ids, catalogue_sizes[scan_ids]
        is_wonder = _wonders(spec, wonders_rng, scanned)
        new = spec.objects + wonders + np.arange(int(is_wonder.sum()), dtype=np.uint64)
        wonders += len(new)
        ids[is_wonder], sizes[is_wonder] = new, object_sizes(spec, new)
        block = records(count)
        block["time"] = (begin + np.arange(count)) // PER_SECOND
        block["id"], block["size"] = ids, sizes
        yield block


def wonders_among(spec: SequenceSpec, count: int) -> int:
    """How many of the first ``count`` requests are for one-hit wonders."""
    if not spec.wonders:
        return 0
    rng = _generator(spec.seed, _WONDERS)
    scans = (_scans(spec, begin, min(BLOCK, count - begin))[0] for begin in range(0, count, BLOCK))
    return sum(int(_wonders(spec, rng, scanned).sum()) for scanned in scans)


def object_sizes(spec: ObjectSizes, objects: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """The sizes in bytes of those objects; at least 1, and below 2**32."""
    if spec.size_bytes is not None:
        return np.full(len(objects), spec.size_bytes, np.uint32)
    # Box and Muller (1958): a standard normal deviate from two uniform ones.
    first, second = (_uniform(spec.seed, _SIZES, objects * np.uint64(2) + np.uint64(i)) for i in range(2))
    normal = np.sqrt(-2 * np.log1p(-first)) * np.cos(2 * np.pi * second)
    sizes = np.exp(spec.size_mu + spec.size_sigma * normal)
    return np.asarray(np.clip(np.rint(sizes), 1, 2**32 - 1).astype(np.uint32))


class _Popularity:
    """Draws objects by their ranks; ranks change hands as the specification's drift says."""

    def __init__(self, spec: SequenceSpec) -> None:
        self._spec = spec
        weights = np.arange(1, spec.objects + 1, dtype=np.float64) ** -spec.exponent
        self._edges = np.cumsum(weights)
        self._edges /= self._edges[-1]
        self._edges[-1] = 1.0
        self._at_rank = np.arange(spec.objects, dtype=np.uint64)
        self._ranks = _generator(spec.seed, _RANKS)
        self._drift = _generator(spec.seed, _DRIFT)

    def draw(self, begin: int) -> NDArray[np.uint64]:
        """The objects of the BLOCK requests from place ``begin`` on; to be called for one block after the other."""
        ranks = np.searchsorted(self._edges, self._ranks.random(BLOCK), side="right")
        if not self._spec.drift:
            return ranks.astype(np.uint64)
        objects = np.empty(BLOCK, np.uint64)
        place = 0
        while place < BLOCK:
            into = (begin + place) % self._spec.drift_every
            if into == 0 and begin + place:
                self._exchange()
            end = min(BLOCK, place + self._spec.drift_every - into)
            objects[place:end] = self._at_rank[ranks[place:end]]
            place = end
        return objects

    def _exchange(self) -> None:
        count = max(2, round(self._spec.drift * self._spec.objects))
        if self._spec.objects >= count:
            chosen = self._drift.choice(self._spec.objects, count, replace=False)
            self._at_rank[chosen] = self._at_rank[self._drift.permutation(chosen)]


def _scans(spec: SequenceSpec, begin: int, count: int) -> tuple[NDArray[np.bool_], NDArray[np.uint64]]:
    """Which of these requests belong to a scan, and the objects of those that do.

    The sequence is cut into cycles in which one scan has the wanted share; it begins at a random place in its cycle and
    at a random object.
    """
    if not spec.scans:
        return np.zeros(count, np.bool_), np.empty(0, np.uint64)
    cycle = max(spec.scan_length, round(spec.scan_length / Fraction(spec.scans)))
    places = np.arange(begin, begin + count, dtype=np.uint64)
    number, into = np.divmod(places, np.uint64(cycle))
    starts = (_uniform(spec.seed, _SCANS, number * np.uint64(2)) * (cycle - spec.scan_length + 1)).astype(np.uint64)
    first = (_uniform(spec.seed, _SCANS, number * np.uint64(2) + np.uint64(1)) * spec.objects).astype(np.uint64)
    scanned = (into >= starts) & (into < starts + np.uint64(spec.scan_length))
    return scanned, ((first + into - starts) % np.uint64(spec.objects))[scanned]


def _wonders(spec: SequenceSpec, rng: np.random.Generator, scanned: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which requests of the next block, of which so many are wanted, are for wonders: none that belongs to a scan."""
    return np.asarray((rng.random(BLOCK)[: len(scanned)] < spec.wonders) & ~scanned)


def _generator(seed: int, stream: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, stream])))


def _uniform(seed: int, stream: int, numbers: NDArray[np.uint64]) -> NDArray[np.float64]:
    """A number in [0, 1) for each of ``numbers``, whatever their order: SplitMix64 (Steele, Lea and Flood 2014)."""
    start = np.uint64((seed * 0xD1342543DE82EF95 + (stream + 1) * 0x9E3779B97F4A7C15) & _U64_MASK)
    mixed = (numbers + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15) + start
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _number(text: str) -> object:
    """``1e7`` is a whole number here. What is no number is left to validation, which names the key."""
    try:
        value = float(text)
    except ValueError:
        return text
    return int(value) if value.is_integer() and abs(value) < 2**53 else int(text) if text.isdecimal() else value
