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
class _State:
    """``asked``: a signal has come. ``depth``: of the blocks that hold it back. ``due``: it is still to be raised."""

    asked: bool = False
    depth: int = 0
    due: bool = False


_state = _State()


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise Interrupted in the main thread at the first SIGINT, SIGTERM or SIGHUP, and ignore further ones.

    A forked child of this process (libraries make them) just dies of the signal: the teardown is not its own. A failure
    on the way out, such as of a clean-up that the signal caught half way, ends as Interrupted all the same.
    """
    owner = os.getpid()

    def on_signal(number: int, _frame: FrameType | None) -> None:
        if os.getpid() != owner:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        if _state.asked:
            return
        _state.asked = True
        if _state.depth:
            _state.due = True
            return
        raise Interrupted

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, on_signal) for number in signals}
    try:
        yield
    except Exception as failure:
        # Whatever broke once it was asked to end broke because of that: the interruption is what is told.
        if _state.asked:
            raise Interrupted from failure
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _state.asked = _state.due = False


def raise_if_asked() -> None:
    """Raise Interrupted if somebody asked for the end: for whoever keeps a failure to itself and would go on."""
    if _state.asked:
        raise Interrupted


@contextmanager
def held() -> Iterator[None]:
    """Hold Interrupted back until the block has ended, so that nothing in it is left half done. For the main thread."""
    _state.depth += 1
    try:
        yield
    finally:
        _state.depth -= 1
        if not _state.depth and _state.due:
            _state.due = False
            raise Interrupted
