"""``tare plan``: what an experiment will run, and how long that takes."""

from __future__ import annotations

from harness.cli.durations import FLOOR_S, duration_text
from harness.cli.experiment import Asked
from harness.cli.output import new_console, print_json
from harness.errors import ExitCode
from harness.output.terminal.table import text_table
from harness.planning.choice import chosen_variants, find_workload
from harness.planning.estimate import expected_s
from harness.planning.plan import plan as plan_trials
from harness.planning.validate import validate


def plan(asked: Asked, as_json: bool) -> int:
    """Print the trials in order with what each will take; ask nothing of the host."""
    experiment = asked.read()
    validate(experiment, find_workload(experiment, asked.file))
    found = plan_trials(experiment, chosen_variants(experiment, asked.only))
    seconds = [expected_s(trial, experiment) for trial in found.trials]
    total = sum(seconds) + FLOOR_S
    if as_json:
        trials = [
            {
                "name": trial.name,
                "kind": trial.kind,
                "block": trial.block,
                "position": trial.position,
                "variant": trial.variant.name,
                "level": trial.level.name if trial.level else None,
                "expected_s": expected,
            }
            for trial, expected in zip(found.trials, seconds, strict=True)
        ]
        print_json({"experiment": experiment.name, "seed": experiment.seed, "expected_s": total, "trials": trials})
        return ExitCode.OK
    table = text_table(experiment.question, "block", "trial", "variant", "load", "about")
    for trial, expected in zip(found.trials, seconds, strict=True):
        block = str(trial.block) if trial.block else "calibration"
        level = trial.level.name if trial.level else "capacity"
        table.add_row(block, trial.name, trial.variant.name, level, duration_text(expected))
    console = new_console()
    console.print(table)
    console.print(
        f"{len(found.trials)} trials, about {duration_text(total)}, without what is built once and kept "
        "(artifacts, the guest's disk)."
    )
    return ExitCode.OK
