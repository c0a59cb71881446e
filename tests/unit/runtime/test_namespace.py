"""Work in a thread of its own: what comes back, what is raised, what takes too long."""

from __future__ import annotations

import threading

import pytest

from harness.runtime.namespace import within


def test_what_it_returns_comes_back_and_its_thread_is_another() -> None:
    assert within(None, threading.get_ident, 30) != threading.get_ident()


def test_what_it_raises_is_raised() -> None:
    def fail() -> None:
        raise ValueError("its own")

    with pytest.raises(ValueError, match="its own"):
        within(None, fail, 30)


def test_what_takes_too_long_is_not_waited_for() -> None:
    release = threading.Event()
    try:
        with pytest.raises(TimeoutError):
            within(None, lambda: release.wait(60), 0.01)
    finally:
        release.set()


def test_a_namespace_that_does_not_exist_cannot_be_entered() -> None:
    with pytest.raises(OSError, match="tare-no-such-namespace"):
        within("tare-no-such-namespace", threading.get_ident, 30)
