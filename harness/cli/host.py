"""``tare doctor``, ``tare provision``, ``tare sweep``: this machine."""

from __future__ import annotations

from dataclasses import asdict

import click
from rich.markup import escape
from rich.table import Table

from harness.campaign import sweep as sweeping
from harness.cli.output import new_console, print_json
from harness.clock import NS_PER_S, now_ns
from harness.errors import ExitCode, TareError, Unavailable
from harness.host import accelerator, checks, facts, provision
from harness.runtime.locks import host_lock
from harness.targets.registry import TARGETS

_MARKS = {"yes": "[green]yes[/green]", "no": "[red]no[/red]", "warn": "[yellow]look[/yellow]"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON alone on standard output.")
def doctor(as_json: bool) -> int:
    """Say what this host can measure, and how to fix what it cannot."""
    console = new_console()
    host = facts.collect()
    found = checks.checks(host)
    targets = {name: kind().available(host) for name, kind in TARGETS.items()}
    truth = accelerator.probe()
    if as_json:
        print_json(
            {
                "targets": {name: asdict(availability) for name, availability in targets.items()},
                "accelerator": asdict(truth),
                "checks": [asdict(check) for check in found],
            }
        )
    else:
        table = Table("target", "usable", "why", "fix", title="What can be measured here", title_justify="left")
        for name, availability in targets.items():
            why = availability.reason or TARGETS[name].summary
            table.add_row(name, _MARKS["yes" if availability.usable else "no"], escape(why), escape(availability.fix))
        console.print(table)
        table = Table("check", "ok", "detail", "fix", title="This host", title_justify="left")
        for check in found:
            table.add_row(check.name, _MARKS[check.ok], escape(check.detail), escape(check.fix))
        console.print(table)
    return ExitCode.OK if all(each.usable for each in targets.values()) else ExitCode.UNAVAILABLE


@click.command(name="provision")
@click.option("--yes", is_flag=True, help="Do it without asking.")
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@click.option("--for-tests", is_flag=True, help="Also install what only the tests need: a browser, npm.")
@click.option("--stop-engines", is_flag=True, help="Stop the engine daemons that Tare started, and nothing else.")
def provision_command(yes: bool, dry_run: bool, for_tests: bool, stop_engines: bool) -> int:
    """Install what is missing through the system's package manager and start the engines."""
    console = new_console(soft_wrap=True)
    if stop_engines:
        for name in provision.stop_engines():
            console.print(f"stopped {name}")
        return ExitCode.OK
    steps = provision.plan(facts.collect(), for_tests=for_tests)
    if not steps:
        console.print("Nothing to do: this host has what Tare needs.")
        return ExitCode.OK
    for number, step in enumerate(steps, start=1):
        console.print(f"{number}. {escape(step.title)}: {escape(step.why)}\n   {escape(step.command)}")
    if dry_run:
        return ExitCode.OK
    if not yes:
        click.confirm("Change this machine so?", abort=True)
    for number, step in enumerate(steps, start=1):
        console.print(f"[{number}/{len(steps)}] {step.title} …", markup=False)
        begin_ns = now_ns()
        step.run()
        console.print(f"    done in {(now_ns() - begin_ns) / NS_PER_S:.1f} s", markup=False)
    left = provision.plan(facts.collect(), for_tests=for_tests)
    if left:
        titles = ", ".join(step.title for step in left)
        raise Unavailable(f"every step was done, and this host still needs: {titles}", "tare doctor")
    console.print("Done. What can be measured here: tare doctor")
    return ExitCode.OK


@click.command()
@click.option("--dry-run", is_flag=True, help="Only list what would be removed.")
def sweep(dry_run: bool) -> int:
    """List and remove what killed runs left behind, and nothing that is not ours."""
    console = new_console()
    failed = False
    with host_lock("tare sweep"):
        found = sweeping.leftovers([kind() for kind in TARGETS.values()])
        if not found:
            console.print("Nothing was left behind.")
        for leftover in found:
            line = f"{leftover.kind} {leftover.name}"
            if dry_run:
                console.print(f"would remove {escape(line)}", soft_wrap=True)
                continue
            try:
                leftover.remove()
                console.print(f"removed {escape(line)}", soft_wrap=True)
            except TareError as error:
                failed = True
                console.print(f"[red]cannot remove {escape(line)}: {escape(error.what)} {escape(error.remedy)}[/red]")
    return ExitCode.FAILED if failed else ExitCode.OK


COMMANDS = (doctor, provision_command, sweep)
