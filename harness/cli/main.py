"""``tare``: the group of commands, and the one place where a failure becomes two lines and an exit code."""

from __future__ import annotations

import sys

import click

from harness import __version__
from harness.cli import analyse, host, run
from harness.errors import ExitCode, TareError
from harness.interrupts import Interrupted


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tare")
def tare() -> None:
    """Measure what a deployment model costs: the same workload as a process, a container and a virtual machine.

    \b
    Exit codes: 0 all good; 1 finished, but trials failed or a comparison regressed; 2 the request is wrong;
    3 this host lacks what was asked for; 130 interrupted.
    """


for command in (*host.COMMANDS, *run.COMMANDS, *analyse.COMMANDS):
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
            print(note.rstrip(), file=sys.stderr)  # noqa: T201 - the command line prints
        print(f"Error: {error.what}\nTry: {error.remedy}", file=sys.stderr)  # noqa: T201 - the command line prints
        return error.exit_code
    except click.ClickException as error:
        print(f"Error: {error.format_message()}", file=sys.stderr)  # noqa: T201 - the command line prints
        context = error.ctx if isinstance(error, click.UsageError) else None
        print(f"Try: {context.command_path if context else 'tare'} --help", file=sys.stderr)  # noqa: T201 - as above
        return ExitCode.USAGE
    except (Interrupted, KeyboardInterrupt, click.Abort):
        print("Interrupted. What was measured is kept.", file=sys.stderr)  # noqa: T201 - the command line prints
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        return ExitCode.OK
