"""What one run of the generator does: plain data that travels to its process as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

from pydantic import ConfigDict, TypeAdapter

from harness.load.plan.loads import Load, Replay, prepare_limit_s
from harness.load.plan.sequence import Prefill, SequencePlan
from harness.load.plan.targets import Targets
from harness.load.recorder import CACHE_WORDS

PLAN_ENV = "TARE_LOAD_PLAN"
"""Names the plan's file to the process that Locust runs in. Without it a locustfile is an ordinary one."""
EVENTS_ENV = "TARE_LOAD_EVENTS_FD"
"""Names the descriptor that the generator's process writes its events to."""

OutcomeWords = tuple[str, tuple[tuple[str, str], ...]]
"""A response header's name, and pairs of how its value may begin and what that means (harness.load.recorder.Cache)."""


@dataclass(frozen=True, slots=True)
class TaskSource:
    """What an arrival runs: the tasks of ``locustfile`` (an absolute path).

    None: a GET of ``path`` that expects ``status`` and, if given, a body of ``body_sha256`` (hex).
    """

    locustfile: str | None = None
    path: str = "/"
    status: int = 200
    body_sha256: str | None = None

    def __post_init__(self) -> None:
        if self.locustfile is not None and not Path(self.locustfile).is_absolute():
            raise ValueError("locustfile must be an absolute path: the generator has its own working folder")


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """One run of the generator: ``load`` against ``targets``, by ``tasks``.

    ``samples``
        The absolute path of the binary sample file; its JSON sidecar lies beside it (harness.load.recorder).

    ``seed``
        Of arrivals, of the tasks' choice and of what tasks draw.

    ``timeout_s``
        The longest that an exchange may take.

    ``prefill``
        What fills caches before the load; None: nothing does.

    ``outcome_header``
        How a response tells what a cache made of the request; None: nothing does.
    """

    targets: Targets
    load: Load
    samples: str
    tasks: TaskSource = TaskSource()
    seed: int = 1
    timeout_s: float = 10.0
    prefill: Prefill | None = None
    outcome_header: OutcomeWords | None = None

    # Holds for all that is inside, too.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    def __post_init__(self) -> None:
        if self.timeout_s <= 0:
            raise ValueError("timeout_s must be positive")
        if not Path(self.samples).is_absolute():
            raise ValueError("samples must be an absolute path: the generator has its own working folder")
        start = 0 if self.sequence is None else self.sequence.start
        if self.prefill is not None and self.prefill.requests > start:
            raise ValueError("prefill must not be more than the requests before the sequence's start")
        if isinstance(self.load, Replay) and self.load.miss_bytes_per_s and self.outcome_header is None:
            raise ValueError("miss_bytes_per_s needs an outcome_header")
        for _, word in self.outcome_header[1] if self.outcome_header else ():
            if word not in CACHE_WORDS:
                raise ValueError(f"{word!r} is not one of {', '.join(CACHE_WORDS)}")

    @property
    def sequence(self) -> SequencePlan | None:
        """The objects that the tasks ask for."""
        return self.load.sequence

    @property
    def prepare_limit_s(self) -> float:
        """How long what is made before the load may take."""
        return prepare_limit_s(self.prefill.requests, self.prefill.users) if self.prefill else prepare_limit_s(0, 1)

    def to_json(self) -> str:
        return _adapter().dump_json(self, indent=1).decode()

    @classmethod
    def from_json(cls, text: str) -> LoadPlan:
        """The plan that ``to_json`` wrote. Raises ValueError for anything else."""
        return _adapter().validate_json(text)


@cache
def _adapter() -> TypeAdapter[LoadPlan]:
    return TypeAdapter(LoadPlan)
