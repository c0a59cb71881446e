"""Standard output. A reader that goes away early (``tare show | head``) ends no campaign and is no failure."""

from __future__ import annotations

import json
import os
import sys

import click
from rich.console import Console


class _PatientConsole(Console):
    def on_broken_pipe(self) -> None:
        self.quiet = True
        _discard_output()


PIPED_COLUMNS = 160
"""How wide tables are where no terminal and no COLUMNS says otherwise: room for every column."""


def new_console(*, soft_wrap: bool = False) -> Console:
    """Where text and tables go: coloured and as wide as the terminal, or plain and wide when piped."""
    console = _PatientConsole(soft_wrap=soft_wrap)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPED_COLUMNS
    return console


def print_json(data: object) -> None:
    """JSON, and nothing else. Raises ValueError for a number that JSON does not have."""
    print_line(json.dumps(data, indent=2, allow_nan=False))


def print_line(text: str) -> None:
    """Exactly this text and a line end: what scripts read."""
    try:
        click.echo(text)
    except BrokenPipeError:
        _discard_output()


def _discard_output() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
