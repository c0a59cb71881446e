"""``tare compare``: two campaigns against each other."""

from __future__ import annotations

import math
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from harness.analysis.campaign import load
from harness.analysis.compare import compare as compare_campaigns
from harness.analysis.compare import differences
from harness.analysis.rules import parse_rule, regressions
from harness.cli.output import new_console
from harness.errors import ExitCode


def compare(folder_a: Path, folder_b: Path, fail_on: tuple[str, ...], strict: bool) -> int:
    """Print the second campaign over the first. 1 if a resolved change breaks a rule of ``fail_on``."""
    rules = [parse_rule(text) for text in fail_on]
    first, second = load(folder_a), load(folder_b)
    found = compare_campaigns(first, second, strict=strict)
    console = new_console()
    for line in differences(first, second):
        console.print(f"[yellow]not alike:[/yellow] {escape(line)}", soft_wrap=True)
    table = Table("variant", "load", "metric", "ratio", "95 % interval", "n", "verdict")
    for row in found.to_dict("records"):
        interval = "none" if math.isnan(row["low"]) else f"{row['low']:.3f} to {row['high']:.3f}"
        counts = f"{row['n_a']}, {row['n_b']}"
        label = second.label(row["variant"])
        table.add_row(label, row["level"], row["metric"], f"{row['ratio']:.3f}", interval, counts, row["verdict"])
    console.print(table)
    broken = regressions(found, rules)
    for row in broken.to_dict("records"):
        line = (
            f"{row['variant']}, {row['level']}: {row['metric']} by a factor of {row['ratio']:.3f} (rule {row['rule']})"
        )
        console.print(f"[red]regressed:[/red] {escape(line)}", soft_wrap=True)
    return ExitCode.FAILED if len(broken) else ExitCode.OK
