"""An interruption waits for the end of a block that must not be left half done."""

from __future__ import annotations

import signal

import pytest

from harness.runtime.signals import Interrupted, held, interruptible


def test_it_comes_after_the_outermost_block_and_once() -> None:
    done = []

    def work() -> None:
        with interruptible():
            with held():
                with held():
                    signal.raise_signal(signal.SIGINT)
                    signal.raise_signal(signal.SIGTERM)
                    done.append("inner")
                done.append("outer")
            done.append("never")

    with pytest.raises(Interrupted):
        work()
    assert done == ["inner", "outer"]
    with interruptible(), held():
        done.append("the next campaign is not interrupted")
    assert len(done) == 3


def test_without_a_signal_nothing_is_raised() -> None:
    with interruptible(), held():
        pass


def test_a_failure_in_the_block_stays_known() -> None:
    def work() -> None:
        with interruptible(), held():
            signal.raise_signal(signal.SIGINT)
            raise OSError("busy")

    with pytest.raises(Interrupted) as caught:
        work()
    assert isinstance(caught.value.__context__, OSError)


def test_a_block_during_the_teardown_of_an_interrupted_campaign_is_not_interrupted_again() -> None:
    finished = False

    def work() -> None:
        nonlocal finished
        with interruptible():
            try:
                signal.raise_signal(signal.SIGINT)
            finally:
                with held():
                    signal.raise_signal(signal.SIGINT)
                finished = True

    with pytest.raises(Interrupted):
        work()
    assert finished
