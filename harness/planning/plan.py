"""The ordered trials of an experiment: pure, and the same for the same experiment and seed.

Every block holds every cell once, in an order of its own (random interleaved trials: Abedi & Brecht, ICPE 2017). A
trial that turns out invalid is tried again at the end of its block; that is the campaign's business, not the plan's.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.records.variant import Variant
from harness.spec.experiment import Experiment

CALIBRATION_BLOCK = 0


@dataclass(frozen=True, slots=True)
class LoadLevel:
    """How hard a cell is driven: ``value`` arrivals per second, or that share of the slowest variant's capacity.

    A replay has no rate: it is the replayed ``sequence`` of that name that tells one level from another.
    """

    name: str
    value: float
    is_share: bool
    sequence: str | None = None


@dataclass(frozen=True, slots=True)
class PlannedTrial:
    """One cell in one block. ``level`` is None for a calibration, which comes before the first block."""

    name: str
    kind: Literal["measured", "calibration"]
    block: int
    position: int
    variant: Variant
    level: LoadLevel | None


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
        return tuple(LoadLevel(name, 0.0, False, name) for name in experiment.sequences)
    absolute = (LoadLevel(f"{rate:g} rps", rate, False) for rate in load.rates_rps)
    relative = (LoadLevel(f"{share * 100:g}% of capacity", share, True) for share in load.capacity_shares)
    return (*absolute, *relative)


def plan(experiment: Experiment, only: Sequence[Variant] | None = None) -> Plan:
    """The trials of ``experiment``, or of ``only`` some of its variants. No I/O."""
    chosen = experiment.variants if only is None else tuple(only)
    grades = levels(experiment)
    source = random.Random(experiment.seed)
    trials: list[PlannedTrial] = []
    if any(level.is_share for level in grades):
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
