"""A reader that goes away early is no failure."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from harness.cli.output import PIPED_COLUMNS, new_console, print_json

PROGRAM = """
import sys
from harness.cli.output import new_console, print_json
sys.stdin.read()
if sys.argv[1] == "json":
    print_json({"x": "y"})
console = new_console()
console.print("y")
console.print("y")
print_json({"x": "y"})
sys.exit(7)
"""


@pytest.mark.parametrize("first", ["json", "text"])
def test_nobody_reads(first: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, first],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    ) as shown:
        assert shown.stdout is not None
        assert shown.stdin is not None
        assert shown.stderr is not None
        shown.stdout.close()
        shown.stdin.close()
        assert shown.stderr.read() == b""
    assert shown.returncode == 7


def test_json_has_no_nan() -> None:
    with pytest.raises(ValueError, match="JSON"):
        print_json({"x": float("nan")})


@pytest.mark.parametrize(("columns", "expected"), [(None, PIPED_COLUMNS), ("83", 83)])
def test_what_is_piped_has_room_for_its_tables(
    columns: str | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    assert new_console().width == expected
