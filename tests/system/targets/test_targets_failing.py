"""The contract of targets where a service fails: each is launched anew, and the reason is told."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from harness.targets.api import Service, Target
from tests.support.targets_suite import FAKED, MORE, lab_of, launch_and_fail, left_of

pytestmark = pytest.mark.timeout(1500)


@pytest.mark.parametrize("target", [*MORE, FAKED], indirect=True)
def test_a_program_that_does_not_exist_fails_with_the_reason_and_leaves_nothing(
    target: Target, service: Service, tmp_path: Path
) -> None:
    """Either the launch fails, with the reason in its notes, or the instance ends, with the reason in its log."""
    with lab_of(target) as lab:
        at = lab.address("svc")
        told = launch_and_fail(target, replace(service, argv=("/no/such/program",)), at, tmp_path)
        assert "/no/such/program" in told
        assert left_of(target, at.prefix) == []


@pytest.mark.parametrize("target", MORE, indirect=True)
def test_a_service_that_ends_at_once_is_not_alive_and_says_how_it_ended(
    target: Target, service: Service, tmp_path: Path
) -> None:
    argv = ("/bin/sh", "-c", "echo its last words; exit 3")
    with lab_of(target) as lab:
        at = lab.address("svc")
        told = launch_and_fail(target, replace(service, argv=argv), at, tmp_path)
        assert "its last words" in told
        assert re.search(r"ended.*exit.* 3\b", told.splitlines()[-1])
        assert left_of(target, at.prefix) == []
