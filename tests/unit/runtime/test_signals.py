"""The first signal ends a campaign in order; later ones do not disturb the teardown."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from harness.errors import DeployError
from harness.runtime.signals import Interrupted, interruptible, raise_if_asked

FORKING = """
import os, signal, time
from harness.runtime.signals import interruptible
ready, told = os.pipe()
with interruptible():
    child = os.fork()
    if child == 0:
        try:
            os.write(told, b"x")
            for _ in range(1000):
                time.sleep(0.01)
        finally:
            print("the child tears down", flush=True)
    os.read(ready, 1)
    os.kill(child, signal.SIGTERM)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_ends_it_and_a_second_does_not_disturb_the_teardown(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    torn_down = False

    def work() -> None:
        nonlocal torn_down
        with interruptible():
            try:
                os.kill(os.getpid(), number)
                pytest.fail("the signal did nothing")
            finally:
                os.kill(os.getpid(), number)
                os.kill(os.getpid(), signal.SIGTERM)
                torn_down = True

    with pytest.raises(Interrupted):
        work()
    assert torn_down
    assert signal.getsignal(number) is before


def test_without_a_signal_nothing_happens_and_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with interruptible():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_a_clean_up_that_fails_because_of_it_does_not_replace_it() -> None:
    def work() -> None:
        with interruptible():
            try:
                os.kill(os.getpid(), signal.SIGINT)
            finally:
                raise DeployError("The control group is busy.", "Look at it.")

    with pytest.raises(Interrupted) as caught:
        work()
    assert isinstance(caught.value.__cause__, DeployError)


def test_whoever_keeps_a_failure_can_ask_whether_to_go_on() -> None:
    raise_if_asked()

    def work() -> None:
        with interruptible():
            try:
                os.kill(os.getpid(), signal.SIGINT)
            except Interrupted:
                raise_if_asked()

    with pytest.raises(Interrupted):
        work()
    raise_if_asked()


def test_no_handler_of_failures_takes_it_for_one() -> None:
    assert not issubclass(Interrupted, Exception)


def test_a_forked_child_dies_of_the_signal_and_tears_nothing_down() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKING],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert done.stdout == f"{-signal.SIGTERM}\n"
