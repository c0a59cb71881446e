"""Runs a plan: the load levels, the instrument's floor, then block after block, with a journal and a way back in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from harness.errors import LoadError
from harness.planning.plan import Plan, PlannedTrial, RateLevel, ReplayLevel, ShareLevel, demand_of
from harness.records.load import Levels, NullFloor
from harness.records.trial import TrialRecord
from harness.records.variant import Variant
from harness.trial.campaign_context import CampaignContext
from harness.trial.run import run_attempt

MAX_ATTEMPTS = 3
"""An invalid or failed trial is tried again at the end of its block, at most twice (docs/method.md).

A resume tries those that failed anew; invalid attempts count for good. A variant that has failed so often and never
done anything else in this run is tried only once a trial: what keeps it down is not chance, and each try costs a whole
timeout.
"""

HEADROOM = 2.0
"""The generator must keep so many times the highest rate against the null service (docs/method.md)."""

MAX_REDUCTIONS = 4

REPLAY_FLOOR_RPS = 100.0
"""A replay has no rate at which the instrument's floor would have to be known: this one tells its latency."""


class Observer(Protocol):
    """Who is told how the campaign goes on."""

    def calibrating(self) -> None: ...
    def began(self, trial: PlannedTrial, attempt: int, left: Iterable[PlannedTrial]) -> None: ...
    def ended(self, trial: PlannedTrial, record: TrialRecord, *, again: bool) -> None: ...


@dataclass(frozen=True, slots=True)
class CampaignRun:
    """One execution of a plan. ``calibrate_null`` measures the instrument at a rate, once per campaign."""

    plan: Plan
    setting: CampaignContext
    observer: Observer
    calibrate_null: Callable[[float], NullFloor]
    outcomes: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Of this run's attempts, by variant."""

    def run(self) -> None:
        """Run whatever the journal does not hold yet.

        Raises StoreError if a record cannot be kept, LoadError if no load level can be set, and what
        ``calibrate_null`` raises: without the instrument's own floor no figure could be judged.
        """
        folder = self.setting.folder
        done = folder.trials()
        levels = folder.levels()
        if levels is None:
            levels = self._find_levels(done)
            folder.append(levels)
        elif folder.null_floor() is None:
            self._measure_floor(max(levels.rates_rps.values(), default=REPLAY_FLOOR_RPS))
        for block in self.plan.blocks:
            trials = [trial for trial in self.plan.trials if trial.block == block and trial.kind == "measured"]
            self._block(trials, levels.rates_rps, done)

    def _find_levels(self, done: list[TrialRecord]) -> Levels:
        """Arrivals per second for each load level, once the instrument's floor is known at the highest of them.

        Shares are of the slowest variant's capacity, which the calibrations find, as far as the generator keeps twice
        that rate against the null service: else it would be the generator that is measured.
        """
        levels = [level for level in self.plan.levels if not isinstance(level, ReplayLevel)]
        if not levels:
            self._measure_floor(REPLAY_FLOOR_RPS)
            return Levels(rates_rps={})
        capacities = self._capacities(done)
        slowest = min(capacities.values(), default=0.0)
        rates = {level.name: _rate_rps(level, slowest) for level in levels}
        floor = self._measure_floor(max(rates.values()))
        limited = False
        for _ in range(MAX_REDUCTIONS if capacities else 0):
            highest = max(rates.values())
            if floor.highest_rate_rps >= HEADROOM * highest:
                break
            limited = True
            factor = max(floor.highest_rate_rps / HEADROOM, highest / 4) / highest
            shares = {level.name for level in levels if isinstance(level, ShareLevel)}
            rates = {name: rate * factor if name in shares else rate for name, rate in rates.items()}
            floor = self._measure_floor(max(rates.values()))
        return Levels(rates_rps=rates, capacities_rps=capacities, limited_by_generator=limited)

    def _measure_floor(self, rate_rps: float) -> NullFloor:
        self.observer.calibrating()
        floor = self.calibrate_null(rate_rps)
        self.setting.folder.append(floor)
        return floor

    def _capacities(self, done: list[TrialRecord]) -> dict[str, float]:
        """Answers per second in a closed loop, by variant; empty where the plan has no calibration."""
        calibrations = [trial for trial in self.plan.trials if trial.kind == "calibration"]
        self._block(calibrations, {}, done)
        capacities = {
            record.variant.name: record.capacity.rps
            for record in self.setting.folder.trials()
            if record.kind == "calibration" and record.capacity is not None and record.capacity.completed
        }
        if calibrations and not capacities:
            failed = [record.failure for record in self.setting.folder.trials() if record.failure]
            error = LoadError(
                "No variant answered under load, so no load level can be set.",
                "Look at the failure above, mend it, and run it again.",
            )
            for failure in failed[:1]:
                error.add_note(f"{failure.what} {failure.remedy}\n{failure.logs}".rstrip())
            raise error
        return capacities

    def _block(self, trials: list[PlannedTrial], rates: dict[str, float], done: list[TrialRecord]) -> None:
        waiting = [
            (trial, _attempts(trial, done) + 1, MAX_ATTEMPTS - _invalid(trial, done))
            for trial in trials
            if not settled(trial, done)
        ]
        while waiting:
            again: list[tuple[PlannedTrial, int, int]] = []
            for index, (trial, attempt, tries) in enumerate(waiting):
                left = [later for later, *_ in (*waiting[index + 1 :], *again)]
                self.observer.began(trial, attempt, (*left, *self._later_blocks(trial)))
                record = run_attempt(trial, attempt, demand_of(trial, rates), self.setting)
                self.setting.folder.append(record)
                self.outcomes[trial.variant.name].append(record.outcome)
                repeat = not record.valid and tries > 1 and not self._is_down(trial.variant)
                self.observer.ended(trial, record, again=repeat)
                if repeat:
                    again.append((trial, attempt + 1, tries - 1))
            waiting = again

    def _is_down(self, variant: Variant) -> bool:
        outcomes = self.outcomes[variant.name]
        return len(outcomes) >= MAX_ATTEMPTS and set(outcomes) == {"failed"}

    def _later_blocks(self, trial: PlannedTrial) -> list[PlannedTrial]:
        return [later for later in self.plan.trials if later.block > trial.block]


def _rate_rps(level: RateLevel | ShareLevel, capacity_rps: float) -> float:
    return level.share * capacity_rps if isinstance(level, ShareLevel) else level.rate_rps


def _attempts(trial: PlannedTrial, done: list[TrialRecord]) -> int:
    return sum(record.trial == trial.name for record in done)


def _invalid(trial: PlannedTrial, done: list[TrialRecord]) -> int:
    return sum(record.trial == trial.name and bool(record.invalid) for record in done)


def settled(trial: PlannedTrial, done: list[TrialRecord]) -> bool:
    """Whether a resume has nothing more to do for a trial: it is valid, or was invalid often enough.

    One that failed has measured nothing, and what made it fail (a full disk, a dead engine) may be mended by then.
    """
    valid = any(record.trial == trial.name and record.valid for record in done)
    return valid or _invalid(trial, done) >= MAX_ATTEMPTS
