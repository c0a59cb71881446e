"""How long it will still take, and what a person is told meanwhile."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from harness.cli import progress as module
from harness.cli.durations import duration_text
from harness.cli.progress import CampaignProgress, Durations
from harness.clock import NS_PER_S
from harness.planning.estimate import expected_s
from harness.planning.plan import PlannedTrial, plan
from harness.records.load import Capacity
from harness.records.startup import Startup, StartupPhase
from harness.records.trial import Failure, TrialRecord
from tests.support.fake_campaign import DIGEST, experiment

SPEC = experiment(["process", "vm"], repeats=3, load={"capacity_shares": [0.5], "duration_s": 6, "capacity_s": 2})
PLAN = plan(SPEC)


def record(trial: PlannedTrial, **changes: Any) -> TrialRecord:
    made = TrialRecord(
        kind=trial.kind,
        trial=trial.name,
        block=trial.block,
        position=trial.position,
        attempt=1,
        variant=trial.variant,
        level="50% of capacity",
        accelerator="none",
        artifact_digest=DIGEST,
        started_utc="2026-11-24T00:00:00+00:00",
        outcome="ok",
    )
    return replace(made, **changes)


FAILED: dict[str, Any] = {
    "outcome": "failed", "failure": Failure(kind="NotReady", what="It never [answered].", remedy="Look."),
}  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s"), (0.2, "0 s"), (1.5, "2 s"), (89.4, "89 s"), (90, "2 min"), (100, "2 min"), (7200, "120 min")],
)
def test_a_duration_for_a_person(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@given(st.lists(st.floats(0, 86_400), min_size=2, max_size=2).map(sorted))
def test_a_longer_duration_never_reads_as_a_shorter_one(pair: Sequence[float]) -> None:
    def parsed(seconds: float) -> int:
        number, unit = duration_text(seconds).split()
        return int(number) * (60 if unit == "min" else 1)

    assert parsed(pair[0]) <= parsed(pair[1])
    assert all(abs(parsed(seconds) - seconds) <= 30 for seconds in pair)


def test_before_anything_was_seen_it_is_the_plans_own_guess() -> None:
    assert Durations(SPEC).left(PLAN.trials) == pytest.approx(sum(expected_s(trial, SPEC) for trial in PLAN.trials))


@given(st.lists(st.tuples(st.sampled_from(PLAN.trials), st.floats(0.1, 600)), max_size=30))
def test_what_was_seen_counts_for_its_kind_and_target_alone(seen: list[tuple[PlannedTrial, float]]) -> None:
    durations = Durations(SPEC)
    for trial, seconds in seen:
        durations.saw(trial, seconds)
    for trial in PLAN.trials:
        like = [
            seconds for other, seconds in seen
            if (other.kind, other.variant.target) == (trial.kind, trial.variant.target)
        ]  # fmt: skip
        guess = durations.expected(trial)
        assert guess == expected_s(trial, SPEC) if not like else min(like) - 1e-6 <= guess <= max(like) + 1e-6
    assert durations.left(PLAN.trials) == pytest.approx(sum(map(durations.expected, PLAN.trials)))


class Clock:
    """Stands where it is put."""

    def __init__(self) -> None:
        self.s = 100.0

    def __call__(self) -> int:
        return round(self.s * NS_PER_S)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "now_ns", made)
    return made


def piped() -> tuple[CampaignProgress, io.StringIO]:
    text = io.StringIO()
    return CampaignProgress(Console(file=text, width=40), PLAN, SPEC), text


def test_the_estimate_of_a_whole_campaign_comes_close_once_each_kind_was_seen(clock: Clock) -> None:
    """Each target takes its own steady time, far from the plan's guess."""
    truth = {"calibration": {"process": 3.0, "vm": 50.0}, "measured": {"process": 9.0, "vm": 70.0}}
    progress, text = piped()
    durations = [truth[trial.kind][trial.variant.target] for trial in PLAN.trials]
    for index, trial in enumerate(PLAN.trials):
        progress.began(trial, 1, PLAN.trials[index + 1 :])
        clock.s += durations[index]
        progress.ended(trial, record(trial), again=False)
    said = [
        int(number) * (60 if unit == "min" else 1)
        for number, unit in re.findall(r"about (\d+) (s|min) left", text.getvalue())
    ]
    assert len(said) == len(PLAN.trials)
    for index in range(4, len(PLAN.trials)):
        assert said[index] == pytest.approx(sum(durations[index:]), abs=31)
    assert said == sorted(said, reverse=True)


def test_a_trial_is_counted_once_it_is_not_tried_again(clock: Clock) -> None:
    progress, text = piped()
    trial, following = PLAN.trials[:2]
    for attempt in (1, 2, 3):
        progress.began(trial, attempt, ())
        clock.s += 5
        progress.ended(trial, record(trial, attempt=attempt, **FAILED), again=attempt < 3)
    progress.began(following, 1, ())
    lines = text.getvalue().splitlines()
    total = len(PLAN.trials)
    assert [line.split(" … ")[0] for line in lines if line.startswith("[")] == [
        f"[1/{total}] {trial.name}", f"[1/{total}] {trial.name}, attempt 2", f"[1/{total}] {trial.name}, attempt 3",
        f"[2/{total}] {following.name}",
    ]  # fmt: skip
    assert lines.count(f"  {trial.name}: FAILED: It never [answered]. (5 s)") == 3


def test_a_resume_counts_from_where_it_stands(clock: Clock) -> None:
    progress, text = piped()
    assert clock.s
    progress.skipping(0)
    assert text.getvalue() == ""
    progress.skipping(3)
    progress.began(PLAN.trials[3], 1, PLAN.trials[4:])
    assert text.getvalue().splitlines()[0] == f"3 of {len(PLAN.trials)} trials are done already"
    assert f"[4/{len(PLAN.trials)}]" in text.getvalue()


STARTUP = Startup(
    trigger_ns=0, total_ns=31_000_000_000, phases=(StartupPhase(name="x", after_ns=1),), attempts=1, resolution_ns=1,
    prober_cpu_ns=1,
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "ok"),
        ({"startup": STARTUP}, "startup 31.000 s"),
        ({"startup": STARTUP, "accelerator": "tcg"}, "startup 31.000 s emulated"),
        ({"capacity": Capacity(users=8, completed=500, errors=0, window_ns=NS_PER_S)}, "capacity 500 requests/s"),
        ({"invalid": ("steal 3 %", "2 arrivals [dropped]")}, "INVALID: steal 3 %; 2 arrivals [dropped]"),
        (FAILED, "FAILED: It never [answered]."),
    ],
)
def test_the_end_of_an_attempt_is_one_line(clock: Clock, changes: dict[str, Any], said: str) -> None:
    progress, text = piped()
    progress.began(PLAN.trials[0], 1, ())
    clock.s += 12
    progress.ended(PLAN.trials[0], record(PLAN.trials[0], **changes), again=False)
    assert text.getvalue().splitlines()[-1] == f"  {PLAN.trials[0].name}: {said} (12 s)"


def test_on_a_terminal_there_is_one_live_line_and_a_line_per_attempt() -> None:
    text = io.StringIO()
    console = Console(file=text, width=120, force_terminal=True, color_system=None)
    trial = PLAN.trials[0]
    with CampaignProgress(console, PLAN, SPEC) as progress:
        progress.calibrating()
        progress.began(trial, 1, PLAN.trials[1:])
        progress.ended(trial, record(trial), again=False)
    shown = text.getvalue()
    assert f"[1/{len(PLAN.trials)}]" not in shown
    assert f"1/{len(PLAN.trials)}" in shown
    assert re.search(r"about \d+ min left", shown)
    assert f"  {trial.name}: ok (0 s)" in shown
