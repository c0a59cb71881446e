"""A piece of work in another network namespace: a thread of its own enters it, and ends there."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_FOLDER = "/run/netns"
_CLONE_NEWNET = 0x40000000


def within(netns: str | None, work: Callable[[], T], limit_s: float) -> T:
    """What ``work`` returns when it is done in the named network namespace; None is this process's own.

    Its sockets are of that namespace for as long as they live. Whatever ``work`` raises is raised here. Raises OSError
    where the namespace does not exist or may not be entered, and TimeoutError after ``limit_s``: the thread then goes
    on by itself, so ``work`` has to have limits of its own.
    """
    done: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            if netns is not None:
                _enter(netns)
            done.append(work())
        except BaseException as error:  # noqa: BLE001 - it is raised again where it was asked for
            failed.append(error)

    # A daemon: one that is stuck does not keep the process from its end.
    thread = threading.Thread(target=run, name=f"within {netns or 'here'}", daemon=True)
    thread.start()
    thread.join(limit_s)
    if failed:
        raise failed[0]
    if not done:
        raise TimeoutError(f"it took more than {limit_s:g} s")
    return done[0]


def _enter(netns: str) -> None:
    """Move the calling thread, and it alone, into the namespace (setns(2))."""
    descriptor = os.open(f"{_FOLDER}/{netns}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(descriptor, _CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), f"{_FOLDER}/{netns}")
    finally:
        os.close(descriptor)
