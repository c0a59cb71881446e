"""``tare sweep``: what killed runs left on this machine."""

from __future__ import annotations

from rich.markup import escape

from harness.campaign import sweep as sweeping
from harness.cli.output import new_console
from harness.errors import ExitCode, TareError
from harness.runtime.locks import host_lock
from harness.targets.registry import TARGETS


def sweep(dry_run: bool) -> int:
    """List what killed runs left behind, and remove it unless ``dry_run``. 1 if something could not be removed."""
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
