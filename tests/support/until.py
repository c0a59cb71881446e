"""Waits for what another process does, where no event tells. Every test waits with this."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(
    done: Callable[[], T], timeout_s: float = 30, every_s: float = 0.02, told: Callable[[], object] = lambda: ""
) -> T:
    """What ``done`` gave, as soon as that is true.

    Fails after ``timeout_s``, a watchdog and no measurement, with what ``told`` says by then. What ``done`` raises ends
    the waiting: an assertion in it is how to give up early.
    """
    deadline = time.monotonic() + timeout_s
    while not (found := done()):
        name = getattr(done, "__qualname__", done)
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {name}\n{told()}"
        time.sleep(every_s)
    return found
