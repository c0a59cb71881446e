"""The objects that a load's requests ask for: plain data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.spec.sequence import CatalogueSpec, SequenceSpec, TraceSpec


@dataclass(frozen=True, slots=True)
class SequencePlan:
    """The objects that are asked for: ``requests`` in order, from place ``start`` on, mapped onto the catalogue.

    The path of a trace is absolute here. ``requests`` None: by Zipf's law, with the load plan's seed
    (harness.load.worker.objects).
    """

    catalogue: CatalogueSpec
    requests: SequenceSpec | TraceSpec | None = None
    start: int = 0

    def __post_init__(self) -> None:
        if self.start < 0:
            raise ValueError("a sequence's start must not be negative")
        if isinstance(self.requests, TraceSpec) and not Path(self.requests.trace).is_absolute():
            raise ValueError("a trace needs an absolute path: the generator has its own working folder")


@dataclass(frozen=True, slots=True)
class Prefill:
    """So many requests of the sequence, those before its ``start``, are made before the load and not recorded.

    They are made of every home region's nearest entry, over ``users`` connections to each.
    """

    requests: int
    users: int

    def __post_init__(self) -> None:
        if self.requests < 1 or self.users < 1:
            raise ValueError("a prefill needs a request and a user")
