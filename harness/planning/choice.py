"""What a request chooses: the workload's folder and the variants. Reads files, deploys nothing."""

from __future__ import annotations

import fnmatch
from pathlib import Path

from harness.errors import SpecError
from harness.records.variant import Variant
from harness.spec.experiment import Experiment
from harness.spec.files import read_workload
from harness.targets.registry import make


def find_workload(experiment: Experiment, file: Path | None) -> Path | None:
    """The workload's folder: beside the experiment's own folder, else below the working one. None for an image.

    Raises SpecError, naming what there is.
    """
    if experiment.image is not None:
        return None
    if "/" in experiment.workload or experiment.workload.startswith("."):
        raise SpecError(
            f"workload = {experiment.workload!r} is not a name.",
            "Name a folder in workloads/, or a local image: image:NAME.",
        )
    places = [Path("workloads")]
    if file is not None:
        places.insert(0, file.resolve().parent.parent / "workloads")
    folders = [place / experiment.workload for place in places]
    found = next((folder for folder in folders if (folder / "workload.toml").is_file()), folders[0])
    read_workload(found)
    return found.resolve()


def chosen_variants(experiment: Experiment, only: str | None) -> tuple[Variant, ...]:
    """The experiment's variants that ``only`` lets through. Raises SpecError for an unknown target and if none is."""
    every = experiment.variants
    for variant in every:
        for target in targets_of(experiment, variant):
            make(target)
    kept = tuple(variant for variant in every if only is None or fnmatch.fnmatchcase(variant.name, only))
    if not kept:
        names = ", ".join(variant.name for variant in every)
        raise SpecError(f"--only {only!r} leaves no variant.", f"The variants are: {names}.")
    return kept


def targets_of(experiment: Experiment, variant: Variant) -> tuple[str, ...]:
    """The targets that a variant is deployed on, its proxy's included."""
    placement = experiment.placements.get(variant.target)
    return (variant.target,) if placement is None else tuple(dict.fromkeys(placement.values()))
