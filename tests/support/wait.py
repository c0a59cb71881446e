"""Waits for what has no event."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(true: Callable[[], object], limit_s: float = 30) -> None:
    """Ask until the answer is yes. AssertionError at the limit."""
    deadline = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)
