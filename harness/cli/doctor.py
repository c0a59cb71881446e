"""``tare doctor``: what this machine can measure."""

from __future__ import annotations

from dataclasses import asdict

from rich.markup import escape
from rich.table import Table

from harness.cli.output import new_console, print_json
from harness.errors import ExitCode
from harness.host import accelerator, checks, facts
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
