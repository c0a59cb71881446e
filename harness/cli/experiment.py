"""Which experiment the command line asks for, and what it changes of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.spec.experiment import Experiment
from harness.spec.files import read_experiment


@dataclass(frozen=True, slots=True)
class Asked:
    """The file, and the options that override it: None as far as they were not given."""

    file: Path
    quick: bool
    only: str | None
    repeats: int | None
    seed: int | None

    def read(self) -> Experiment:
        """The experiment as it will be run. Raises SpecError."""
        given = {"repeats": self.repeats, "seed": self.seed}
        overrides = {key: value for key, value in given.items() if value is not None}
        return read_experiment(self.file, quick=self.quick, overrides=overrides)
