"""The objects of a load's sequence: drawn, or read from a trace, and mapped onto the workload's catalogue.

Nothing else of the generator needs what this imports, which takes a while: it is imported where there is a catalogue.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from harness.errors import LoadError
from harness.load.plan.sequence import SequencePlan
from harness.load.worker.object_sequence import ObjectRef, ObjectStream
from harness.simulation.catalogue import Catalogue, requests
from harness.simulation.traces import Trace
from harness.spec.sequence import SequenceSpec, TraceSpec

DEFAULT_EXPONENT = 0.8
"""Of requests for web pages: 0.64 to 0.83 in the six traces of Breslau et al., "Web Caching and Zipf-like
Distributions: Evidence and Implications" (INFOCOM '99)."""

_ENDLESS = 1_000_000_000
_CHUNK = 1 << 14
"""Requests in memory as Python's objects at a time, where they are not drawn ahead."""


class Objects:
    """A sequence on its catalogue. ``seed`` is that of requests by Zipf's law, where the plan has no others."""

    def __init__(self, plan: SequencePlan, seed: int) -> None:
        self._plan = plan
        self._seed = seed
        self._catalogue = Catalogue.of(plan.catalogue)

    def for_the_load(self, ahead: int) -> ObjectStream:
        """From the sequence's start on, and from its beginning again after its end. The first ``ahead`` are drawn now.

        Raises LoadError if there are fewer than that, and SpecError for a sequence that does not fit the catalogue.
        """
        once = self._part(self._plan.start, None)
        # One in any case: with the first comes all that takes long.
        drawn = list(islice(once, max(1, ahead)))
        if len(drawn) < ahead:
            raise LoadError(
                f"the sequence has {len(drawn)} requests after the first {self._plan.start}, the load {ahead}",
                "give the sequence more requests, or the load a lower rate or less time",
            )
        return ObjectStream(chain(drawn, once, self._again()))

    def exactly(self, count: int) -> ObjectStream:
        """``count`` from the sequence's start on, which are drawn as they are needed. Raises SpecError."""
        part = self._part(self._plan.start, count)
        # What is wrong with it is mostly known with the first one.
        return ObjectStream(chain(list(islice(part, 1)), part))

    def before_the_load(self, count: int) -> list[ObjectRef]:
        """The ``count`` requests before the sequence's start. Raises SpecError."""
        return list(self._part(self._plan.start - count, count))

    def _part(self, start: int, count: int | None) -> Iterator[ObjectRef]:
        for block in requests(self._catalogue, self._sequence(), start, count):
            for begin in range(0, len(block), _CHUNK):
                part = block[begin : begin + _CHUNK]
                yield from map(ObjectRef, part["id"].tolist(), part["size"].tolist())

    def _again(self) -> Iterator[ObjectRef]:
        while True:
            whole = self._part(0, None)
            first = next(whole, None)
            if first is None:
                return
            yield first
            yield from whole

    def _sequence(self) -> SequenceSpec | Trace:
        asked = self._plan.requests
        if asked is None:
            return SequenceSpec(
                requests=_ENDLESS, objects=self._catalogue.objects, exponent=DEFAULT_EXPONENT, seed=self._seed % 2**63
            )
        # A trace counts its bad records while it is read, so each reading is of one of its own.
        return Trace.of(Path(asked.trace), asked.format, asked.max_bad) if isinstance(asked, TraceSpec) else asked
