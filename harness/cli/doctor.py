"""``tare doctor``: what this machine can measure."""

from __future__ import annotations

from dataclasses import asdict

from rich.markup import escape

from harness.cli.output import new_console, print_json
from harness.errors import ExitCode
from harness.host import accelerator, checks, facts
from harness.output.terminal.table import text_table
from harness.targets.registry import TARGETS

_MARKS = {"yes": "[green]yes[/green]", "no": "[red]no[/red]", "warn": "[yellow]look[/yellow]"}


def doctor(as_json: bool) -> int:
    """Show what can be measured here, why not, and what this host is like. 3 if a target cannot be used."""
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
        table = text_table("What can be measured here", "target", "usable", "why", "fix")
        for name, availability in targets.items():
            why = availability.reason or TARGETS[name].summary
            table.add_row(name, _MARKS["yes" if availability.usable else "no"], escape(why), escape(availability.fix))
        console.print(table)
        table = text_table("This host", "check", "ok", "detail", "fix")
        for check in found:
            table.add_row(check.name, _MARKS[check.ok], escape(check.detail), escape(check.fix))
        console.print(table)
    return ExitCode.OK if all(each.usable for each in targets.values()) else ExitCode.UNAVAILABLE
