"""``tare run``, ``tare quick``: campaigns."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from harness.analysis.answer import answer
from harness.analysis.campaign import load
from harness.artifacts.builders.from_image import artifact_name
from harness.campaign import sweep as sweeping
from harness.campaign.calibration import measure_floor
from harness.campaign.prepare import Request, begin, resume
from harness.campaign.run import CampaignRun, settled
from harness.cli.experiment import Asked
from harness.cli.output import new_console
from harness.cli.progress import CampaignProgress
from harness.cli.simulation import simulate_beside
from harness.errors import ExitCode, SpecError, TareError
from harness.host import facts
from harness.host.processes import MARK
from harness.output.terminal.campaign import show_tables
from harness.planning.choice import chosen_variants, find_workload
from harness.planning.plan import Plan
from harness.records.trial import TrialRecord
from harness.runtime.locks import host_lock
from harness.runtime.signals import interruptible
from harness.spec.experiment import IMAGE_PREFIX
from harness.spec.files import experiment_of
from harness.store.folder import CampaignFolder
from harness.targets.registry import TARGETS
from harness.trial.campaign_context import CampaignContext
from reports.html import write_report

REPORT = "report.html"
"""The report's name in a campaign's folder."""


def run(asked: Asked, out: Path | None) -> int:
    """Run the experiment as a campaign, in a new folder or in ``out``."""
    experiment = asked.read()
    folder = find_workload(experiment, asked.file)
    chosen_variants(experiment, asked.only)
    return _campaign(
        partial(begin, Request(experiment, folder, _command(), quick=asked.quick, only=asked.only, out=out))
    )


def go_on(folder: Path) -> int:
    """Finish the plan of the campaign in ``folder``."""
    return _campaign(partial(resume, folder))


def quick(
    image: str, targets: str, service: dict[str, object], limits: dict[str, object], repeats: int, out: Path | None
) -> int:
    """Run an experiment that no file holds: ``image`` on each of ``targets`` (names, separated by commas)."""
    names = [name.strip() for name in targets.split(",") if name.strip()]
    if not names:
        raise SpecError("--targets names no target.", f"Known targets: {', '.join(TARGETS)}.")
    experiment = experiment_of(
        "tare quick",
        {
            "name": artifact_name(image),
            "question": f"What does it cost to run {image} as {_listed(names)}?",
            "workload": IMAGE_PREFIX + image,
            "service": service,
            "matrix": {"targets": names, "aa": names[0]},
            "baseline": names[0],
            "repeats": repeats,
            "limits": limits,
            "load": {"capacity_shares": [0.3], "duration_s": 6, "capacity_s": 2},
        },
    )
    chosen_variants(experiment, None)
    return _campaign(partial(begin, Request(experiment, None, _command(), out=out)))


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def _command() -> tuple[str, ...]:
    return ("tare", *sys.argv[1:])


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
    console.print(escape(answer(campaign)))
    console.print(f"Campaign: {folder.path}", soft_wrap=True, highlight=False, markup=False)
    console.print(f"Report:   {report}", soft_wrap=True, highlight=False, markup=False)


def _code(planned: Plan, done: list[TrialRecord]) -> int:
    valid = {record.trial for record in done if record.valid}
    return ExitCode.OK if all(trial.name in valid for trial in planned.trials) else ExitCode.FAILED
