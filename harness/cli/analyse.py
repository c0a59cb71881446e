"""``tare show``, ``tare report``, ``tare compare``: campaigns that were run, on any machine."""

from __future__ import annotations

import math
from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from harness.analysis import compare, differences, load, parse_rule, regressions, show_json, show_tables
from harness.cli.output import new_console, print_json, print_line
from harness.errors import ExitCode
from harness.store.folder import newest
from reports.html import write_report

RESULTS = Path("results")
_DIR = click.Path(path_type=Path)


@click.command()
@click.argument("folder", type=_DIR, required=False, metavar="[DIR]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON alone on standard output.")
def show(folder: Path | None, as_json: bool) -> int:
    """Show a campaign's summary; the newest below results/ without DIR."""
    campaign = load(folder or newest(RESULTS))
    if as_json:
        print_json(show_json(campaign))
        return ExitCode.OK
    console = new_console()
    console.print(f"{escape(campaign.experiment.question)}\n{escape(campaign.answer)}\n")
    for table in show_tables(campaign):
        console.print(table)
    return ExitCode.OK


@click.command()
@click.argument("folder", type=_DIR, required=False, metavar="[DIR]")
@click.option(
    "-o", "--output", type=_DIR, metavar="FILE", help="Where to write it; by default into the campaign's folder."
)
def report(folder: Path | None, output: Path | None) -> int:
    """Build a campaign's HTML report, again if need be; of the newest below results/ without DIR."""
    campaign = load(folder or newest(RESULTS))
    print_line(str(write_report(campaign, output or campaign.path / "report.html")))
    return ExitCode.OK


@click.command(name="compare")
@click.argument("folder_a", type=_DIR, metavar="DIR_A")
@click.argument("folder_b", type=_DIR, metavar="DIR_B")
@click.option(
    "--fail-on",
    multiple=True,
    metavar="RULE",
    help="Exit with 1 if a resolved change breaks it: 'latency_p99_ms>5%', 'achieved_rps<-5%', or 'worse'.",
)
@click.option("--strict", is_flag=True, help="Refuse campaigns that differ in host, artifact or experiment.")
def compare_command(folder_a: Path, folder_b: Path, fail_on: tuple[str, ...], strict: bool) -> int:
    """Compare two campaigns: the second over the first, as ratios with intervals and a verdict each."""
    rules = [parse_rule(text) for text in fail_on]
    first, second = load(folder_a), load(folder_b)
    found = compare(first, second, strict=strict)
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


COMMANDS = (show, report, compare_command)
