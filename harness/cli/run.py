"""``tare plan``, ``tare run``, ``tare quick``: campaigns."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness.analysis import load, show_tables
from harness.artifacts.from_image import artifact_name
from harness.campaign import sweep as sweeping
from harness.campaign.calibration import measure_floor
from harness.campaign.prepare import Request, begin, chosen_variants, find_workload, resume
from harness.campaign.run import CampaignRun, settled
from harness.cli.output import new_console, print_json
from harness.cli.progress import FLOOR_S, CampaignProgress, duration_text
from harness.cli.simulation import simulate_beside
from harness.errors import ExitCode, SpecError, TareError
from harness.host import facts
from harness.host.processes import MARK
from harness.planning.estimate import expected_s
from harness.planning.plan import Plan, plan
from harness.planning.validate import validate
from harness.records.trial import TrialRecord
from harness.runtime.locks import host_lock
from harness.runtime.signals import interruptible
from harness.spec.experiment import IMAGE_PREFIX, Experiment
from harness.spec.files import experiment_of, read_experiment
from harness.store.folder import CampaignFolder
from harness.targets.registry import TARGETS, USUAL
from harness.trial.campaign_context import CampaignContext
from reports.html import write_report

REPORT = "report.html"
"""The report's name in a campaign's folder."""

_FILE = click.Path(path_type=Path)
_overrides = (
    click.option("--quick", is_flag=True, help="Apply the experiment's own [quick] overrides."),
    click.option("--only", metavar="GLOB", help="Only the variants whose name matches, e.g. 'process*'."),
    click.option("--repeats", type=int, metavar="N", help="Blocks to run, instead of the experiment's number."),
    click.option("--seed", type=int, metavar="N", help="Another order and other arrivals than the experiment's."),
)


def _with_overrides(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_overrides):
        command = option(command)
    return command


@click.command(name="plan")
@click.argument("file", type=_FILE)
@_with_overrides
@click.option("--json", "as_json", is_flag=True, help="Print JSON alone on standard output.")
def plan_command(
    file: Path, quick: bool, only: str | None, repeats: int | None, seed: int | None, as_json: bool
) -> int:
    """Show the trials of an experiment in order, and the time they will take; deploy nothing."""
    experiment = _read(file, quick, repeats, seed)
    validate(experiment, find_workload(experiment, file))
    found = plan(experiment, chosen_variants(experiment, only))
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
    table = Table("block", "trial", "variant", "load", "about", title=experiment.question, title_justify="left")
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


@click.command()
@click.argument("file", type=_FILE, required=False)
@_with_overrides
@click.option("--out", type=_FILE, metavar="DIR", help="The campaign's folder; by default a new one below results/.")
@click.option("--resume", "resumed", type=_FILE, metavar="DIR", help="Finish the plan of a campaign that was ended.")
def run(
    file: Path | None,
    quick: bool,
    only: str | None,
    repeats: int | None,
    seed: int | None,
    out: Path | None,
    resumed: Path | None,
) -> int:
    """Run an experiment as a campaign, or the rest of one; print its folder and its report last."""
    if resumed is not None:
        if file is not None or quick or out is not None or only or repeats is not None or seed is not None:
            raise click.UsageError("--resume finishes a campaign as it was begun: give nothing else with it.")
        return _campaign(partial(resume, resumed))
    if file is None:
        raise click.UsageError("Name an experiment, such as benches/quickstart.toml, or --resume a campaign.")
    experiment = _read(file, quick, repeats, seed)
    return _campaign(partial(begin, _request(experiment, find_workload(experiment, file), quick, only, out)))


@click.command()
@click.argument("image")
@click.option("--port", type=int, required=True, help="The port that the service listens on.")
@click.option("--path", default="/", show_default=True, help="The readiness check and the load: GET this path.")
@click.option("--status", type=int, default=200, show_default=True, help="The status of the correct response.")
@click.option(
    "--targets", default=",".join(USUAL), show_default=True, help="What to compare; the first is the baseline."
)
@click.option("--repeats", type=int, default=3, show_default=True, help="Blocks to run.")
@click.option("--memory-mib", type=int, default=512, show_default=True, help="The memory limit of every instance.")
@click.option("--out", type=_FILE, metavar="DIR", help="The campaign's folder; by default a new one below results/.")
def quick(
    image: str, port: int, path: str, status: int, targets: str, repeats: int, memory_mib: int, out: Path | None
) -> int:
    """Compare the deployment models for any local image, without writing a file."""
    names = [name.strip() for name in targets.split(",") if name.strip()]
    if not names:
        raise SpecError("--targets names no target.", f"Known targets: {', '.join(TARGETS)}.")
    experiment = experiment_of(
        "tare quick",
        {
            "name": artifact_name(image),
            "question": f"What does it cost to run {image} as {_listed(names)}?",
            "workload": IMAGE_PREFIX + image,
            "service": {"port": port, "ready": {"path": path, "status": status}},
            "matrix": {"targets": names, "aa": names[0]},
            "baseline": names[0],
            "repeats": repeats,
            "limits": {"memory_mib": memory_mib},
            "load": {"capacity_shares": [0.3], "duration_s": 6, "capacity_s": 2},
        },
    )
    return _campaign(partial(begin, _request(experiment, None, False, None, out)))


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def _read(file: Path, quick: bool, repeats: int | None, seed: int | None) -> Experiment:
    given = {"repeats": repeats, "seed": seed}
    return read_experiment(
        file, quick=quick, overrides={key: value for key, value in given.items() if value is not None}
    )


def _request(experiment: Experiment, folder: Path | None, quick: bool, only: str | None, out: Path | None) -> Request:
    chosen_variants(experiment, only)
    return Request(experiment, folder, ("tare", *sys.argv[1:]), quick=quick, only=only, out=out)


def _campaign(prepare: Callable[[facts.HostFacts, Callable[[str], None]], tuple[Plan, CampaignContext]]) -> int:
    console = new_console()
    with host_lock("tare run"), interruptible():
        _sweep(console)
        # Whatever this process starts carries the mark, so that a sweep finds it.
        os.environ[MARK] = str(os.getpid())
        planned, setting = prepare(facts.collect(), lambda line: console.print(escape(f"{line} …"), soft_wrap=True))
        folder = setting.folder
        for missing in folder.manifest.unavailable:
            console.print(
                f"[yellow]not measured:[/yellow] {escape(missing.target)}: {escape(missing.reason)}", soft_wrap=True
            )
            console.print(f"  to fix it: {escape(missing.fix)}", soft_wrap=True)
        console.print(f"Campaign {folder.path}", soft_wrap=True, highlight=False, markup=False)
        try:
            with ExitStack() as stack, CampaignProgress(console, planned, setting.experiment) as progress:
                for target in setting.targets.values():
                    stack.callback(target.close)
                progress.skipping(sum(settled(trial, folder.trials()) for trial in planned.trials))
                CampaignRun(planned, setting, progress, partial(measure_floor, setting=setting)).run()
            simulate_beside(console, setting.experiment, setting.catalogue, folder)
        except BaseException:
            # What was measured is shown all the same; a second failure must not hide the first.
            with suppress(TareError):
                _conclude(console, folder)
            raise
        _conclude(console, folder)
        return _code(planned, folder.trials())


def _sweep(console: Console) -> None:
    """A killed run's leftovers would stand in the way of this one; the lock says that no other run lives."""
    for leftover in sweeping.leftovers([kind() for kind in TARGETS.values()]):
        console.print(
            f"removing what a killed run left: {escape(leftover.kind)} {escape(leftover.name)}", soft_wrap=True
        )
        leftover.remove()


def _conclude(console: Console, folder: CampaignFolder) -> None:
    if not any(record.kind == "measured" for record in folder.trials()):
        return
    campaign = load(folder.path)
    report = write_report(campaign, folder.path / REPORT)
    for table in show_tables(campaign):
        console.print(table)
    console.print(escape(campaign.answer))
    console.print(f"Campaign: {folder.path}", soft_wrap=True, highlight=False, markup=False)
    console.print(f"Report:   {report}", soft_wrap=True, highlight=False, markup=False)


def _code(planned: Plan, done: list[TrialRecord]) -> int:
    valid = {record.trial for record in done if record.valid}
    return ExitCode.OK if all(trial.name in valid for trial in planned.trials) else ExitCode.FAILED


COMMANDS = (plan_command, run, quick)
