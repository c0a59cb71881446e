"""``tare``: the group of commands, and the one place where a failure becomes two lines and an exit code."""

from __future__ import annotations

import sys

import click

from harness import __version__
from harness.cli.commands import COMMANDS
from harness.errors import ExitCode, TareError
from harness.runtime.signals import Interrupted


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=False)
@click.version_option(__version__, prog_name="tare")
def tare() -> None:
    """Measure what a deployment model costs: the same workload as a process, a container and a virtual machine.

    Exit codes: 0 all good; 1 finished, but trials failed or a comparison regressed; 2 the request is wrong;
    3 this host lacks what was asked for; 130 interrupted.
    """


for command in COMMANDS:
    tare.add_command(command)


def main() -> None:
    """Run ``tare`` and exit with the documented code."""
    sys.exit(run_command(sys.argv[1:]))


def run_command(arguments: list[str]) -> int:
    """The exit code of ``tare ARGUMENTS``. Prints what happened and what to do about it on standard error."""
    try:
        code = tare.main(arguments, prog_name="tare", standalone_mode=False)
        return int(code) if isinstance(code, int) else ExitCode.OK
    except TareError as error:
        for note in error.notes:
            _say(note.rstrip())
        _say(f"Error: {_one_line(error.what)}\nTry: {_one_line(error.remedy)}")
        return error.exit_code
    except click.ClickException as error:
        context = error.ctx if isinstance(error, click.UsageError) else None
        _say(f"Error: {_one_line(error.format_message())}\nTry: {context.command_path if context else 'tare'} --help")
        return ExitCode.USAGE
    except (Interrupted, KeyboardInterrupt, click.Abort):
        _say("Interrupted. What was measured is kept.")
        return ExitCode.INTERRUPTED


def _say(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201 - the command line prints


def _one_line(text: str) -> str:
    """Some messages quote what a kernel or an engine said, which may have several lines."""
    return " ".join(text.split())
