"""Which object the next request asks for: a sequence, handed out in order, one object after another."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple, Self

from harness.cache.catalogue import Catalogue, requests
from harness.cache.traces import Trace
from harness.errors import LoadError, TareError
from harness.load.plan import LoadPlan, SequencePlan
from harness.spec.files import read_workload
from harness.spec.sequence import SequenceSpec, TraceSpec

DEFAULT_EXPONENT = 0.8
"""Of requests for web pages: 0.64 to 0.83 in the six traces of Breslau et al., "Web Caching and Zipf-like
Distributions: Evidence and Implications" (INFOCOM '99)."""

_ENDLESS = 1_000_000_000
_CHUNK = 1 << 14
"""Requests in memory as Python's objects at a time, where they are not drawn ahead."""


class Wanted(NamedTuple):
    """An object of the catalogue and its size in bytes."""

    number: int
    size: int


class Wants:
    """A sequence's objects in order, for all tasks. ``failure`` is what kept it from giving one, ``taken`` how many."""

    def __init__(self, objects: Iterator[Wanted]) -> None:
        self._objects = objects
        self.taken = 0
        self.failure: TareError | None = None

    def take(self) -> Wanted:
        """The next one. Raises LoadError at the end, and SpecError for a damaged trace."""
        try:
            wanted = next(self._objects)
        except StopIteration:
            self.failure = LoadError("the sequence of requests is at its end", "give it more requests")
            raise self.failure from None
        except TareError as error:
            self.failure = error
            raise
        self.taken += 1
        return wanted


class Objects:
    """The sequence of a load plan on its catalogue."""

    def __init__(self, plan: SequencePlan, seed: int) -> None:
        self._plan = plan
        self._seed = seed
        self._catalogue = Catalogue.of(plan.catalogue)

    @classmethod
    def of(cls, plan: LoadPlan, user_class: type) -> Self | None:
        """That of the plan, or by Zipf's law over the catalogue of the user's workload; None where there is neither."""
        sequence = plan.sequence or beside(user_class)
        return None if sequence is None else cls(sequence, plan.seed)

    def for_the_load(self, ahead: int) -> Wants:
        """From the sequence's start on, and from its beginning again after its end. The first ``ahead`` are drawn now.

        Raises LoadError if there are fewer than that, and SpecError for a sequence that does not fit the catalogue.
        """
        once = self._part(self._plan.start, None)
        drawn = list(islice(once, ahead))
        if len(drawn) < ahead:
            raise LoadError(
                f"the sequence has {len(drawn)} requests after the first {self._plan.start}, the load {ahead}",
                "give the sequence more requests, or the load a lower rate or less time",
            )
        return Wants(chain(drawn, once, self._again()))

    def exactly(self, count: int) -> Wants:
        """``count`` from the sequence's start on, which are drawn as they are needed. Raises SpecError."""
        part = self._part(self._plan.start, count)
        # What is wrong with it is mostly known with the first one.
        return Wants(chain(list(islice(part, 1)), part))

    def before_the_load(self, count: int) -> list[Wanted]:
        """The ``count`` requests before the sequence's start. Raises SpecError."""
        return list(self._part(self._plan.start - count, count))

    def _part(self, start: int, count: int | None) -> Iterator[Wanted]:
        for block in requests(self._catalogue, self._sequence(), start, count):
            for begin in range(0, len(block), _CHUNK):
                part = block[begin : begin + _CHUNK]
                yield from map(Wanted, part["id"].tolist(), part["size"].tolist())

    def _again(self) -> Iterator[Wanted]:
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


def beside(user_class: type) -> SequencePlan | None:
    """Requests for the catalogue of the workload whose locustfile has that class; None if it has no catalogue."""
    folder = Path(inspect.getfile(user_class)).resolve().parent
    if not (folder / "workload.toml").is_file():
        return None
    catalogue = read_workload(folder).catalogue
    return None if catalogue is None else SequencePlan(catalogue)
