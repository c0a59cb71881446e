"""Ctrl-C and SIGTERM: the first ends the campaign in order, later ones do not disturb the teardown."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


class Interrupted(BaseException):
    """Somebody asked for the end. Not an Exception, so that no handler of failures takes it for one."""


@dataclass(slots=True)
class _Holding:
    depth: int = 0
    asked_meanwhile: bool = False


_holding = _Holding()


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise Interrupted in the main thread at the first SIGINT, SIGTERM or SIGHUP, and ignore further ones.

    A forked child of this process (libraries make them) just dies of the signal: the teardown is not its own.
    """
    asked = False
    owner = os.getpid()

    def on_signal(number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if os.getpid() != owner:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        if asked:
            return
        asked = True
        if _holding.depth:
            _holding.asked_meanwhile = True
            return
        raise Interrupted

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, on_signal) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def held() -> Iterator[None]:
    """Hold Interrupted back until the block has ended, so that nothing in it is left half done. For the main thread."""
    _holding.depth += 1
    try:
        yield
    finally:
        _holding.depth -= 1
        if not _holding.depth and _holding.asked_meanwhile:
            _holding.asked_meanwhile = False
            raise Interrupted
