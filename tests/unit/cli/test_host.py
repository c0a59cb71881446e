"""``tare doctor`` and ``tare sweep``: what they print and return."""

from __future__ import annotations

import json

import pytest

from harness.campaign import sweep
from harness.cli.main import run_command
from harness.errors import DeployError
from harness.host import accelerator, checks
from harness.host.accelerator import Accelerator
from harness.host.checks import Check
from harness.host.facts import HostFacts
from harness.runtime.locks import host_lock
from harness.targets.api import Availability, Leftover
from tests.support.fake_host import FakeHost, use_targets
from tests.support.fakes import FakeTarget


class Absent(FakeTarget):
    """Its engine does not answer."""

    name = "absent"

    def available(self, _host: HostFacts) -> Availability:
        return Availability(False, "no fake [engine] answers", "tare provision")


@pytest.fixture(autouse=True)
def known_host(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    use_targets(monkeypatch, FakeTarget)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(accelerator, "probe", lambda: Accelerator("tcg", "this host has no /dev/kvm", True))
    monkeypatch.setattr(checks, "checks", lambda _host: [Check("disk", "warn", "4 GiB free", "Free some [space].")])
    return host


def test_doctor_says_what_can_be_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert "a thread of the tests" in shown
    assert "Free some [space]." in shown


def test_doctor_is_3_if_a_target_is_missing_and_tells_why_and_the_fix(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(*registered(Absent))
    assert run_command(["doctor"]) == 3
    shown = capsys.readouterr()
    assert "no fake [engine] answers" in shown.out
    assert "tare provision" in shown.out
    assert shown.err == ""


def registered(kind: type[FakeTarget]) -> tuple[dict[str, type], str, type[FakeTarget]]:
    from harness.targets.registry import TARGETS

    return TARGETS, kind.name, kind


def test_doctors_json_is_json_alone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(*registered(Absent))
    assert run_command(["doctor", "--json"]) == 3
    shown = capsys.readouterr()
    assert shown.err == ""
    assert json.loads(shown.out) == {
        "targets": {
            "fake": {"usable": True, "reason": "", "fix": ""},
            "absent": {"usable": False, "reason": "no fake [engine] answers", "fix": "tare provision"},
        },
        "accelerator": {"kind": "tcg", "reason": "this host has no /dev/kvm", "proven": True},
        "checks": [{"name": "disk", "ok": "warn", "detail": "4 GiB free", "fix": "Free some [space]."}],
    }


def left(monkeypatch: pytest.MonkeyPatch, *failing: str) -> list[str]:
    """Three things were left behind, of which those cannot be removed. What is removed is listed."""
    gone: list[str] = []

    def leftover(name: str) -> Leftover:
        def remove() -> None:
            if name in failing:
                raise DeployError(f"{name} is busy.", "Wait.")
            gone.append(name)

        return Leftover("container", name, remove)

    found = [leftover(name) for name in ("tare-a", "tare-[b]", "tare-c")]
    monkeypatch.setattr(sweep, "leftovers", lambda _targets: found)
    return gone


def test_a_sweep_removes_all_and_lists_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    gone = left(monkeypatch)
    assert run_command(["sweep"]) == 0
    assert gone == ["tare-a", "tare-[b]", "tare-c"]
    assert capsys.readouterr().out.splitlines() == [
        "removed container tare-a", "removed container tare-[b]", "removed container tare-c",
    ]  # fmt: skip


def test_a_dry_run_only_lists(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    gone = left(monkeypatch)
    assert run_command(["sweep", "--dry-run"]) == 0
    assert gone == []
    assert capsys.readouterr().out.splitlines()[1] == "would remove container tare-[b]"


def test_what_cannot_be_removed_does_not_keep_the_rest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = left(monkeypatch, "tare-a")
    assert run_command(["sweep"]) == 1
    assert gone == ["tare-[b]", "tare-c"]
    assert capsys.readouterr().out.splitlines()[0] == "cannot remove container tare-a: tare-a is busy. Wait."


def test_nothing_was_left(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["sweep"]) == 0
    assert capsys.readouterr().out == "Nothing was left behind.\n"


def test_a_living_run_is_not_swept_away(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    gone = left(monkeypatch)
    with host_lock("tare run"):
        assert run_command(["sweep"]) == 3
    assert gone == []
    assert capsys.readouterr().err.startswith("Error: Another run holds this host: tare run (pid ")
