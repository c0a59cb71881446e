"""Every failure says what happened and what to do, and has its exit code."""

from __future__ import annotations

import pytest

from harness.errors import (
    BuildError,
    DeployError,
    ExitCode,
    LoadError,
    NotReady,
    SpecError,
    StoreError,
    TareError,
    Unavailable,
)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (SpecError, 2),
        (Unavailable, 3),
        (BuildError, 1),
        (DeployError, 1),
        (NotReady, 1),
        (LoadError, 1),
        (StoreError, 1),
    ],
)
def test_a_failure_carries_two_lines_and_an_exit_code(kind: type[TareError], code: int) -> None:
    error = kind("It broke.", "Mend it.")
    assert (error.what, error.remedy, str(error)) == ("It broke.", "Mend it.", "It broke.")
    assert error.exit_code == code
    assert error.notes == ()


def test_the_documented_exit_codes() -> None:
    documented = {"OK": 0, "FAILED": 1, "USAGE": 2, "UNAVAILABLE": 3, "INTERRUPTED": 130}
    assert {code.name: code.value for code in ExitCode} == documented


def test_logs_ride_along_oldest_first() -> None:
    error = DeployError("It ended.", "Read its log.")
    error.add_note("line 1")
    error.add_note("line 2")
    assert error.notes == ("line 1", "line 2")
