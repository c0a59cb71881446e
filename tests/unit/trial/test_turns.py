"""A launch stops at its t0 until it is its turn, and one that never goes is undone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.clock import Stopwatch, now_ns
from harness.errors import DeployError
from harness.runtime.signals import Interrupted
from harness.targets.api import Instance
from harness.trial.turns import HeldLaunch
from tests.support.fake_sets import SetTarget, WideLab, set_bench


class Stage:
    """A target, and launches of one service of a set on it."""

    def __init__(self, folder: Path) -> None:
        self.target = SetTarget()
        self._made = set_bench(folder / "c", self.target)
        self._lab = WideLab("tare-x")
        self._folder = folder

    def launch_of(self, name: str) -> Callable[[Stopwatch], Instance]:
        service, at = self._made.service_of(name), self._lab.address(name)
        return lambda watch: self.target.launch(service, at, watch, self._folder)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_everything_is_laid_out_before_anything_is_launched(stage: Stage) -> None:
    with HeldLaunch(stage.launch_of("broker")) as one, HeldLaunch(stage.launch_of("catalog")) as other:
        one.lay_out()
        other.lay_out()
        assert stage.target.told == ["broker laid out", "catalog laid out"]
        assert not one.watch.started
        asked_ns = now_ns()
        with one.go(), other.go():
            assert stage.target.told[2:] == ["broker launched", "catalog launched"]
            # t0 is taken when the word is given, not when it was laid out.
            assert asked_ns <= one.watch.trigger_ns <= other.watch.trigger_ns
    assert stage.target.held == set()


def test_what_was_laid_out_and_never_went_is_undone(stage: Stage) -> None:
    with HeldLaunch(stage.launch_of("broker")) as held:
        held.lay_out()
        assert stage.target.held == {"broker"}
    assert (stage.target.held, stage.target.launched) == (set(), [])
    assert not held.watch.started


def test_an_interruption_while_it_is_held_leaves_nothing(stage: Stage) -> None:
    def interrupt() -> None:
        with HeldLaunch(stage.launch_of("broker")) as one, HeldLaunch(stage.launch_of("catalog")) as other:
            one.lay_out()
            other.lay_out()
            with one.go():
                raise Interrupted

    with pytest.raises(Interrupted):
        interrupt()
    assert (stage.target.held, stage.target.running) == (set(), [])


def test_a_failure_comes_where_it_happens_before_the_turn_or_in_it() -> None:
    def fails(watch: Stopwatch, *, first: bool) -> Instance:
        if first:
            raise DeployError("there is no room", "make some")
        watch.start()
        raise DeployError("the engine refused", "ask it why")

    with HeldLaunch(lambda watch: fails(watch, first=True)) as early, pytest.raises(DeployError, match="no room"):
        early.lay_out()
    with HeldLaunch(lambda watch: fails(watch, first=False)) as late:
        late.lay_out()
        with pytest.raises(DeployError, match="the engine refused"):
            late.go()


def test_a_clean_up_that_fails_is_told() -> None:
    def stubborn(watch: Stopwatch) -> Instance:
        try:
            watch.start()
        finally:
            raise DeployError("its link cannot be removed", "tare sweep")

    def give_up() -> None:
        with HeldLaunch(stubborn) as held:
            held.lay_out()

    with pytest.raises(DeployError, match="its link cannot be removed"):
        give_up()


def test_a_launch_with_two_triggers_is_a_mistake_of_the_targets() -> None:
    def twice(watch: Stopwatch) -> Instance:
        watch.start()
        watch.start()
        raise AssertionError("never")

    with HeldLaunch(twice) as held:
        held.lay_out()
        with pytest.raises(RuntimeError, match="a second time"):
            held.go()
