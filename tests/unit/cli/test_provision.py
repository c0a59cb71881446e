"""``tare provision``: what it prints, asks and returns. The steps themselves are tested beside them."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable

import pytest

from harness.cli.main import run_command
from harness.errors import BuildError
from harness.host import facts
from harness.host.facts import HostFacts
from harness.host.provisioning import steps as provision
from harness.host.provisioning.steps import Step

Plans = Callable[..., list[str]]


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> Plans:
    """Makes each planning in turn find the given titles left to do; returns what is run, as it is run."""

    def make(*titles: list[str], failing: str = "") -> list[str]:
        done: list[str] = []
        rounds = iter(titles)

        def step(title: str) -> Step:
            def run() -> None:
                if title == failing:
                    raise BuildError(f"{title} failed", "do it by hand")
                done.append(title)

            return Step(title, "it is missing", f"make {title}", False, run)

        def plan(_facts: HostFacts, *, for_tests: bool) -> list[Step]:
            return [step(title + (" for tests" if for_tests else "")) for title in next(rounds)]

        monkeypatch.setattr(provision, "plan", plan)
        monkeypatch.setattr(facts, "collect", lambda: None)
        return done

    return make


def test_each_step_is_shown_done_and_timed(plans: Plans, capsys: pytest.CaptureFixture[str]) -> None:
    done = plans(["an engine", "a kernel"], [])
    assert run_command(["provision", "--yes"]) == 0
    assert done == ["an engine", "a kernel"]
    shown = capsys.readouterr().out.splitlines()
    assert shown[:2] == ["1. an engine: it is missing", "   make an engine"]
    assert [line for line in shown if line.startswith("[")] == ["[1/2] an engine …", "[2/2] a kernel …"]
    assert sum(line.strip().startswith("done in ") for line in shown) == 2
    assert shown[-1].startswith("Done.")


def test_what_is_still_missing_afterwards_is_told(plans: Plans, capsys: pytest.CaptureFixture[str]) -> None:
    done = plans(["an engine"], ["an engine"])
    assert run_command(["provision", "--yes"]) == 3
    assert done == ["an engine"]
    told = capsys.readouterr().err.splitlines()
    assert told == ["Error: every step was done, and this host still needs: an engine", "Try: tare doctor"]


def test_a_failing_step_ends_it(plans: Plans, capsys: pytest.CaptureFixture[str]) -> None:
    done = plans(["a", "b", "c"], failing="b")
    assert run_command(["provision", "--yes"]) == 1
    assert done == ["a"]
    assert capsys.readouterr().err.splitlines() == ["Error: b failed", "Try: do it by hand"]


def test_a_host_that_is_ready_is_left_alone(plans: Plans, capsys: pytest.CaptureFixture[str]) -> None:
    plans([])
    assert run_command(["provision", "--yes"]) == 0
    assert "Nothing to do" in capsys.readouterr().out


def test_a_dry_run_changes_nothing(plans: Plans, capsys: pytest.CaptureFixture[str]) -> None:
    done = plans(["an engine"])
    assert run_command(["provision", "--dry-run"]) == 0
    assert done == []
    assert "make an engine" in capsys.readouterr().out


@pytest.mark.parametrize("answer", ["n\n", ""])
def test_without_a_yes_nothing_is_changed(plans: Plans, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    done = plans(["an engine"])
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
    assert run_command(["provision"]) != 0
    assert done == []


def test_the_tests_may_need_more(plans: Plans) -> None:
    done = plans(["a browser"], [])
    assert run_command(["provision", "--yes", "--for-tests"]) == 0
    assert done == ["a browser for tests"]


def test_stopping_names_what_was_stopped(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(provision, "stop_engines", lambda: ["libvirtd", "dockerd"])
    assert run_command(["provision", "--stop-engines"]) == 0
    assert capsys.readouterr().out.splitlines() == ["stopped libvirtd", "stopped dockerd"]
