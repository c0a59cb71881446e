"""How a campaign goes on, for a person: a live line on a terminal, a plain line per attempt when piped."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from harness.cli.durations import FLOOR_S, duration_text
from harness.clock import NS_PER_S, now_ns
from harness.planning.estimate import expected_s
from harness.planning.plan import Plan, PlannedTrial
from harness.records.trial import TrialRecord
from harness.spec.experiment import Experiment
from harness.units import METRICS


class Durations:
    """How long trials take: the mean of those that this campaign has seen, else the plan's own guess, in seconds."""

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment
        self._seen: dict[tuple[str, str], list[float]] = {}

    def saw(self, trial: PlannedTrial, seconds: float) -> None:
        self._seen.setdefault((trial.kind, trial.variant.target), []).append(seconds)

    def expected(self, trial: PlannedTrial) -> float:
        seen = self._seen.get((trial.kind, trial.variant.target))
        return sum(seen) / len(seen) if seen else expected_s(trial, self._experiment)

    def left(self, trials: Iterable[PlannedTrial]) -> float:
        return sum(map(self.expected, trials))


class CampaignProgress:
    """The campaign's observer. A context manager: the live line is there inside it, and only on a terminal."""

    def __init__(self, console: Console, plan: Plan, experiment: Experiment) -> None:
        self._console = console
        self._durations = Durations(experiment)
        self._total = len(plan.trials)
        self._settled = 0
        self._begun_ns = now_ns()
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("preparing", total=self._total, left="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def skipping(self, settled: int) -> None:
        """So many of the plan's trials were settled before: this run resumes."""
        self._settled = settled
        self._progress.update(self._task, completed=settled)
        if settled:
            self._say(f"{settled} of {self._total} trials are done already")

    def calibrating(self) -> None:
        self._progress.update(self._task, description="the instrument's own floor")
        if not self._console.is_terminal:
            self._say(f"measuring the instrument's own floor (about {FLOOR_S:.0f} s)")

    def began(self, trial: PlannedTrial, attempt: int, left: Iterable[PlannedTrial]) -> None:
        self._begun_ns = now_ns()
        seconds = self._durations.expected(trial) + self._durations.left(left)
        again = f", attempt {attempt}" if attempt > 1 else ""
        self._progress.update(
            self._task, description=f"{escape(trial.name)}{again}", left=f"about {duration_text(seconds)} left"
        )
        if not self._console.is_terminal:
            place = f"{self._settled + 1}/{self._total}"
            self._say(f"[{place}] {trial.name}{again} … about {duration_text(seconds)} left")

    def ended(self, trial: PlannedTrial, record: TrialRecord, *, again: bool) -> None:
        seconds = (now_ns() - self._begun_ns) / NS_PER_S
        if record.outcome == "ok":
            self._durations.saw(trial, seconds)
        self._settled += not again
        self._progress.update(self._task, completed=self._settled)
        self._say(f"  {trial.name}: {_result(record)} ({duration_text(seconds)})")

    def _say(self, line: str) -> None:
        self._console.print(escape(line), soft_wrap=True, highlight=False)


def _result(record: TrialRecord) -> str:
    if record.failure is not None:
        return f"FAILED: {record.failure.what}"
    if record.invalid:
        return f"INVALID: {'; '.join(record.invalid)}"
    parts = []
    if record.startup is not None:
        emulated = " emulated" if record.accelerator == "tcg" else ""
        parts.append(f"startup {METRICS['startup_s'].text(record.startup.total_ns / NS_PER_S)}{emulated}")
    if record.load is not None:
        parts.append(f"{record.load.completed} requests")
    if record.capacity is not None:
        parts.append(f"capacity {METRICS['capacity_rps'].text(record.capacity.rps)}")
    return ", ".join(parts) or "ok"
