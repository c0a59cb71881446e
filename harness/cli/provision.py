"""``tare provision``: what this machine lacks, installed."""

from __future__ import annotations

import click
from rich.markup import escape

from harness.cli.output import new_console
from harness.clock import NS_PER_S, now_ns
from harness.errors import ExitCode, Unavailable
from harness.host import facts
from harness.host.provisioning import steps as provision


def stop_engines() -> int:
    """Stop the daemons that Tare started, and name them."""
    console = new_console(soft_wrap=True)
    for name in provision.stop_engines():
        console.print(f"stopped {name}")
    return ExitCode.OK


def install(*, yes: bool, dry_run: bool, for_tests: bool) -> int:
    """Show the steps, ask unless ``yes``, and do them. Raises Unavailable if something is missing all the same."""
    console = new_console(soft_wrap=True)
    steps = provision.plan(facts.collect(), for_tests=for_tests)
    if not steps:
        console.print("Nothing to do: this host has what Tare needs.")
        return ExitCode.OK
    for number, step in enumerate(steps, start=1):
        console.print(f"{number}. {escape(step.title)}: {escape(step.why)}\n   {escape(step.command)}")
    if dry_run:
        return ExitCode.OK
    if not yes:
        click.confirm("Change this machine so?", abort=True)
    for number, step in enumerate(steps, start=1):
        console.print(f"[{number}/{len(steps)}] {step.title} …", markup=False)
        begin_ns = now_ns()
        step.run()
        console.print(f"    done in {(now_ns() - begin_ns) / NS_PER_S:.1f} s", markup=False)
    left = provision.plan(facts.collect(), for_tests=for_tests)
    if left:
        titles = ", ".join(step.title for step in left)
        raise Unavailable(f"every step was done, and this host still needs: {titles}", "tare doctor")
    console.print("Done. What can be measured here: tare doctor")
    return ExitCode.OK
