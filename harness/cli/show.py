"""``tare show``: a campaign that was run, on any machine."""

from __future__ import annotations

from pathlib import Path

from rich.markup import escape

from harness.analysis.answer import answer
from harness.analysis.campaign import load
from harness.cli.output import new_console, print_json
from harness.cli.results import folder_or_newest
from harness.errors import ExitCode
from harness.output.as_json.campaign import show_json
from harness.output.terminal.campaign import show_tables


def show(folder: Path | None, as_json: bool) -> int:
    """Print the campaign's summary: question, answer and tables, or JSON alone."""
    campaign = load(folder_or_newest(folder))
    if as_json:
        print_json(show_json(campaign))
        return ExitCode.OK
    console = new_console()
    console.print(f"{escape(campaign.experiment.question)}\n{escape(answer(campaign))}\n")
    for table in show_tables(campaign):
        console.print(table)
    return ExitCode.OK
