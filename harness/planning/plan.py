"""The ordered trials of an experiment: pure, and the same for the same experiment and seed.

Every block holds every cell once, in an order of its own (random interleaved trials: Abedi & Brecht, ICPE 2017). A
trial that turns out invalid is tried again at the end of its block; that is the campaign's business, not the plan's.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.records.variant import Variant
from harness.spec.experiment import Experiment

CALIBRATION_BLOCK = 0


@dataclass(frozen=True, slots=True)
class RateLevel:
    """So many arrivals per second."""

    name: str
    rate_rps: float


@dataclass(frozen=True, slots=True)
class ShareLevel:
    """Arrivals at that share of the slowest variant's capacity."""

    name: str
    share: float


@dataclass(frozen=True, slots=True)
class ReplayLevel:
    """The sequence of that name is replayed, at no rate."""

    name: str


LoadLevel = RateLevel | ShareLevel | ReplayLevel
"""How hard a cell is driven."""


@dataclass(frozen=True, slots=True)
class PlannedTrial:
    """One cell in one block. ``level`` is None for a calibration, which comes before the first block."""

    name: str
    kind: Literal["measured", "calibration"]
    block: int
    position: int
    variant: Variant
    level: LoadLevel | None

    @property
    def level_name(self) -> str:
        """The level's name; ``capacity`` for a calibration."""
        return "capacity" if self.level is None else self.level.name


@dataclass(frozen=True, slots=True)
class AtRate:
    """A trial at so many arrivals per second."""

    rate_rps: float


@dataclass(frozen=True, slots=True)
class AtCapacity:
    """A trial that goes as fast as the service answers: a calibration."""


@dataclass(frozen=True, slots=True)
class ReplayOf:
    """A trial that replays the sequence of that name."""

    sequence: str


Demand = AtRate | AtCapacity | ReplayOf
"""What is asked of one trial's service, once the rates are known."""


def demand_of(trial: PlannedTrial, rates_rps: Mapping[str, float]) -> Demand:
    """``rates_rps``: arrivals per second by the level's name. Raises KeyError for a level whose rate is not known."""
    match trial.level:
        case None:
            return AtCapacity()
        case ReplayLevel(name):
            return ReplayOf(name)
        case RateLevel(name) | ShareLevel(name):
            return AtRate(rates_rps[name])


@dataclass(frozen=True, slots=True)
class Plan:
    """The trials in the order in which they run."""

    trials: tuple[PlannedTrial, ...]
    variants: tuple[Variant, ...]
    levels: tuple[LoadLevel, ...]

    @property
    def blocks(self) -> tuple[int, ...]:
        """The blocks' numbers in order; 0 is the calibration, where there is one."""
        return tuple(sorted({trial.block for trial in self.trials}))


def levels(experiment: Experiment) -> tuple[LoadLevel, ...]:
    """The experiment's load levels, in the order of the file."""
    load = experiment.load
    if load.replay is not None:
        return tuple(map(ReplayLevel, experiment.sequences))
    absolute = (RateLevel(f"{rate:g} rps", rate) for rate in load.rates_rps)
    relative = (ShareLevel(f"{share * 100:g}% of capacity", share) for share in load.capacity_shares)
    return (*absolute, *relative)


def plan(experiment: Experiment, only: Sequence[Variant] | None = None) -> Plan:
    """The trials of ``experiment``, or of ``only`` some of its variants. No I/O."""
    chosen = experiment.variants if only is None else tuple(only)
    grades = levels(experiment)
    source = random.Random(experiment.seed)
    trials: list[PlannedTrial] = []
    if any(isinstance(level, ShareLevel) for level in grades):
        order = [variant for variant in chosen if not variant.aa] or list(chosen)
        source.shuffle(order)
        trials += [
            PlannedTrial(f"calibrate-{variant.name}", "calibration", CALIBRATION_BLOCK, position, variant, None)
            for position, variant in enumerate(order, start=1)
        ]
    cells = [(variant, level) for variant in chosen for level in grades]
    for block in range(1, experiment.repeats + 1):
        order_of_cells = cells.copy()
        source.shuffle(order_of_cells)
        for position, (variant, level) in enumerate(order_of_cells, start=1):
            suffix = f"-l{grades.index(level) + 1}" if len(grades) > 1 else ""
            name = f"b{block}-{position:02d}-{variant.name}{suffix}"
            trials.append(PlannedTrial(name, "measured", block, position, variant, level))
    return Plan(tuple(trials), chosen, grades)
