"""What reaches a pipe, a terminal and a narrow one, by the real command."""

from __future__ import annotations

import os
import pty
import re
import struct
import subprocess
import sys
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ

import pytest

ROOT = Path(__file__).parents[3]
SHOW = ("show", str(ROOT / "tests" / "data" / "campaign"))
ESCAPE = "\x1b"
_COMMAND = (sys.executable, "-c", "from harness.cli.main import main; main()")


def environment(**changes: str) -> dict[str, str]:
    unset = {"COLUMNS", "NO_COLOR", "FORCE_COLOR", "TERM"}
    kept = {name: value for name, value in os.environ.items() if name not in unset}
    return {**kept, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **changes}


def piped(*arguments: str, **changes: str) -> str:
    """Standard output of ``tare ARGUMENTS`` in a pipe."""
    done = subprocess.run(
        [*_COMMAND, *arguments], env=environment(**changes), cwd=ROOT, capture_output=True, check=True, text=True
    )
    return done.stdout


def on_terminal(columns: int, *arguments: str, **changes: str) -> str:
    """What a terminal of that width is given."""
    ours, theirs = pty.openpty()
    ioctl(theirs, TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    with subprocess.Popen([*_COMMAND, *arguments], env=environment(**changes), cwd=ROOT, stdin=theirs, stdout=theirs):
        os.close(theirs)
        told = b""
        # The kernel says so with an error when the last writer has gone.
        while chunk := _read(ours):
            told += chunk
    os.close(ours)
    return told.decode()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""


def test_a_pipe_gets_no_escape_codes() -> None:
    assert ESCAPE not in piped(*SHOW)


def test_a_terminal_gets_colours_unless_no_color_is_set() -> None:
    assert re.search(r"\x1b\[[0-9;]*3\dm", on_terminal(100, *SHOW))
    assert not re.search(r"\x1b\[[0-9;]*(3|4|9)\dm", on_terminal(100, *SHOW, NO_COLOR="1"))


@pytest.mark.parametrize(
    "arguments", [SHOW, ("plan", "benches/quickstart.toml"), ("--help",), ("run", "--help")], ids=lambda each: each[0]
)
def test_nothing_is_wider_than_a_narrow_terminal(arguments: tuple[str, ...]) -> None:
    told = on_terminal(60, *arguments, NO_COLOR="1")
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip("\r") for line in told.split("\n")]
    assert len(lines) > 5
    assert [line for line in lines if len(line) > 60] == []


def test_a_narrow_table_cuts_no_name_short() -> None:
    assert "…" not in on_terminal(60, "plan", "benches/quickstart.toml", NO_COLOR="1")


def test_a_shell_is_told_how_to_complete_and_what() -> None:
    assert "_TARE_COMPLETE=bash_complete" in piped(_TARE_COMPLETE="bash_source")
    found = piped(_TARE_COMPLETE="bash_complete", COMP_WORDS="tare do", COMP_CWORD="1")
    assert found.split() == ["plain,doctor"]
