"""What a run of the generator gave: raw samples, and the counts that decide whether they are worth anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from harness.errors import LoadError
from harness.load.plan.windows import Windows
from harness.load.recorder import CACHE_WORDS, Cache, Outcome, Phase
from harness.records.base import shared
from harness.records.load import Capacity, LoadCounts, LoadFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult(LoadCounts):
    """One run.

    The window of a replay is from the sending of the first request that counts to the last answer. All of its requests
    that count are ``scheduled``.
    """

    samples: NDArray[np.void]
    tasks: tuple[str, ...]
    windows: Windows
    capacity: Capacity | None
    problems: tuple[str, ...]
    """What task code raised, the first few."""
    regions: tuple[str, ...] = ()
    """What the samples' ``region`` counts; empty without regions."""

    def facts(self, target_rps: float) -> LoadFacts:
        """What is kept of it. ``target_rps``: the rate that was asked for, 0 for a replay."""
        return LoadFacts(
            **shared(LoadCounts, self),
            target_rps=target_rps,
            window_begin_ns=self.windows.window_begin_ns,
            window_end_ns=self.windows.window_end_ns,
        )

    @property
    def cache_counts(self) -> dict[str, int]:
        """How many answers of the window a cache said each word of (harness.load.recorder.Cache), dropped ones none."""
        answered = np.isin(self.samples["outcome"], (Outcome.OK, Outcome.UNEXPECTED))
        said = self.samples["cache"][(self.samples["phase"] == Phase.MEASURED) & answered]
        return {word: int((said == Cache[word.upper()]).sum()) for word in CACHE_WORDS}

    @classmethod
    def of(
        cls,
        samples: NDArray[np.void],
        tasks: list[str],
        facts: dict[str, object],
        windows: Windows,
        regions: Sequence[str] = (),
    ) -> Self:
        """From what ``recorder.read_run`` gave. Raises LoadError for a run that did not come to its end."""
        if facts.get("interrupted", True):
            raise LoadError("the load generator was interrupted", "run the trial again")
        first = is_first_request(samples, tasks)
        measured = samples["phase"] == Phase.MEASURED
        outcome = samples["outcome"]
        sent = samples[measured & first & (outcome != Outcome.DROPPED)]
        lag = sent["sent_ns"] - sent["intended_ns"]
        if isinstance(replayed := facts.get("replay"), dict):
            begin_ns, end_ns = int(replayed["window_begin_ns"]), int(replayed["window_end_ns"])
            windows = Windows(windows.begin_ns, begin_ns, end_ns, end_ns)
        problems, busy, scheduled = facts.get("problems"), facts.get("generator_busy"), facts.get("scheduled")
        return cls(
            samples=samples,
            tasks=tuple(tasks),
            windows=windows,
            scheduled=scheduled if isinstance(scheduled, int) else int((measured & first).sum()),
            completed=int((measured & first & (outcome == Outcome.OK)).sum()),
            dropped=int((measured & (outcome == Outcome.DROPPED)).sum()),
            errors=int((measured & (outcome == Outcome.ERROR)).sum()),
            unexpected=int((measured & (outcome == Outcome.UNEXPECTED)).sum()),
            send_lag_p99_ns=round(float(np.percentile(lag, 99))) if len(lag) else 0,
            generator_busy=busy if isinstance(busy, float) else 0.0,
            capacity=_capacity(samples, facts.get("capacity")),
            problems=tuple(str(problem) for problem in problems) if isinstance(problems, list) else (),
            regions=tuple(regions),
        )


def is_first_request(samples: NDArray[np.void], tasks: list[str]) -> NDArray[np.bool_]:
    """Which samples are their task's first request: those that stand for an arrival."""
    later = np.array(["#" in name for name in tasks], dtype=np.bool_)
    return ~later[samples["task"]] if len(tasks) else np.ones(len(samples), dtype=np.bool_)


def _capacity(samples: NDArray[np.void], fact: object) -> Capacity | None:
    if not isinstance(fact, dict):
        return None
    begin_ns, end_ns = int(fact["begin_ns"]), int(fact["end_ns"])
    inside = (samples["phase"] == Phase.CAPACITY) & (samples["done_ns"] <= end_ns)
    ok = samples["outcome"] == Outcome.OK
    return Capacity(
        users=int(fact["users"]),
        completed=int((inside & ok).sum()),
        errors=int((inside & ~ok).sum()),
        window_ns=end_ns - begin_ns,
    )
