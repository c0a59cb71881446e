"""CPU time of the commands, against another checkout, paired.

    python benches/commands.py OTHER/.venv/bin/tare [-n 7] [--only show]

Each command is run alternately by this checkout and by the other one's ``tare``, bytecode warm, its children's CPU time
included. Printed: the median CPU time of each in seconds, and the median of the pairs' ratios, with the smallest and
the largest. CPU time, since what a loaded host delays is not what a command costs; and pairs, since a loaded host makes
CPU time longer as well. ``sweep`` is run with ``--dry-run``: it removes nothing.
"""

# ruff: noqa: T201 - it prints
from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
CAMPAIGN = ROOT / "tests" / "data" / "campaign"
COMMANDS: dict[str, tuple[str, ...]] = {
    "help": ("--help",),
    "version": ("--version",),
    "usage error": ("show", "--no-such-option"),
    "doctor": ("doctor",),
    "plan": ("plan", str(ROOT / "benches" / "quickstart.toml")),
    "sweep": ("sweep", "--dry-run"),
    "show": ("show", str(CAMPAIGN)),
}
HERE = (sys.executable, "-c", "import sys; from harness.cli.main import main; sys.argv[0] = 'tare'; main()")


def cpu_s(program: tuple[str, ...], arguments: tuple[str, ...], folder: Path) -> float:
    """User and system time of the command and of the children that it waited for."""
    process = subprocess.Popen(
        [*program, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU time of the commands, against another checkout's.")
    parser.add_argument("other", type=Path, help="the other checkout's tare, such as ../base/.venv/bin/tare")
    parser.add_argument("-n", type=int, default=7, help="pairs of each command")
    parser.add_argument("--only", choices=COMMANDS, action="append", help="this command; may be repeated")
    asked = parser.parse_args()
    other = (str(asked.other.absolute()),)
    print(f"{'command':12} {'other, s':>9} {'here, s':>9} {'ratio':>7}  (of {asked.n} pairs)")
    for name in asked.only or COMMANDS:
        arguments = COMMANDS[name]
        there = asked.other.absolute().parents[2]
        for program, folder in ((other, there), (HERE, ROOT)):
            cpu_s(program, arguments, folder)
        pairs = [(cpu_s(other, arguments, there), cpu_s(HERE, arguments, ROOT)) for _ in range(asked.n)]
        ratios = [before / after for before, after in pairs]
        before, after = (statistics.median(times) for times in zip(*pairs, strict=True))
        spread = f"({min(ratios):.1f} to {max(ratios):.1f})"
        print(f"{name:12} {before:9.2f} {after:9.2f} {statistics.median(ratios):7.1f}  {spread}", flush=True)


if __name__ == "__main__":
    main()
