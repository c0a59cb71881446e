"""Waits for what another process does."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(done: Callable[[], object], timeout_s: float = 30, every_s: float = 0.05) -> None:
    """Return as soon as it is so. Fails after ``timeout_s``."""
    deadline = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {getattr(done, '__qualname__', done)}"
        time.sleep(every_s)
