"""``tare report``: a campaign as one HTML file."""

from __future__ import annotations

from pathlib import Path

from harness.analysis.campaign import load
from harness.cli.output import print_line
from harness.cli.results import folder_or_newest
from harness.errors import ExitCode
from reports.html import write_report


def report(folder: Path | None, output: Path | None) -> int:
    """Write the campaign's HTML report and print its path."""
    campaign = load(folder_or_newest(folder))
    print_line(str(write_report(campaign, output or campaign.path / "report.html")))
    return ExitCode.OK
