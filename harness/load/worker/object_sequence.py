"""Which object the next request asks for: a sequence, handed out in order, one object after another."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from harness.errors import LoadError, TareError
from harness.load.plan.sequence import SequencePlan
from harness.spec.files import read_workload


class ObjectRef(NamedTuple):
    """An object of the catalogue and its size in bytes."""

    number: int
    size: int


class ObjectStream:
    """A sequence's objects in order, for all tasks. ``failure`` is what kept it from giving one, ``taken`` how many."""

    def __init__(self, objects: Iterator[ObjectRef]) -> None:
        self._objects = objects
        self.taken = 0
        self.failure: TareError | None = None

    def take(self) -> ObjectRef:
        """The next one. Raises LoadError at the end, and SpecError for a damaged trace."""
        try:
            found = next(self._objects)
        except StopIteration:
            self.failure = LoadError("the sequence of requests is at its end", "give it more requests")
            raise self.failure from None
        except TareError as error:
            self.failure = error
            raise
        self.taken += 1
        return found


def sequence_beside(user_class: type) -> SequencePlan | None:
    """Requests for the catalogue of the workload whose locustfile has that class; None if it has no catalogue."""
    folder = Path(inspect.getfile(user_class)).resolve().parent
    if not (folder / "workload.toml").is_file():
        return None
    catalogue = read_workload(folder).catalogue
    return None if catalogue is None else SequencePlan(catalogue)
