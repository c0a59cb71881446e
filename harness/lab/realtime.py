"""Running before ordinary processes of the same CPU, whose turns last milliseconds. Standard library only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


def take_precedence() -> bool:
    """For this thread, and the processes and threads that it starts. False where the kernel refuses that."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        return False
    return True


@contextmanager
def precedence() -> Iterator[bool]:
    """The same, as long as the context lasts."""
    policy, param = os.sched_getscheduler(0), os.sched_getparam(0)
    taken = take_precedence()
    try:
        yield taken
    finally:
        if taken:
            os.sched_setscheduler(0, policy, param)
