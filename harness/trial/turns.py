"""Launches in turn: everything is laid out first, untimed, and only then is one instance after the other asked for.

``Target.launch`` lays an instance out and then asks for it, with ``clock.start()`` in between. Of several instances the
second would so be laid out while the first one's time runs, and the whole would pay for what no deployment model costs.
Each launch therefore runs as a coroutine (a greenlet: same thread, so that an interruption still comes where it should)
that stops at ``clock.start()`` until it is its turn.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from greenlet import greenlet

from harness.clock import Stopwatch
from harness.targets.api import Instance


class HeldStopwatch(Stopwatch):
    """A stopwatch whose ``start`` gives the word back first, and returns when it is given again."""

    def __init__(self) -> None:
        super().__init__()
        self.hold: Callable[[], None] = lambda: None

    def start(self) -> int:
        self.hold()
        return super().start()


class HeldLaunch:
    """One launch. ``lay_out`` runs it up to its t0, ``go`` from there to its end.

    A context manager: a launch that was laid out and never went is undone on the way out, by its own clean-up.
    """

    def __init__(self, launch: Callable[[Stopwatch], Instance]) -> None:
        self.watch = HeldStopwatch()
        self._launch = launch
        self._made: Instance | None = None
        self._coroutine = greenlet(self._run)
        self.watch.hold = self._give_back

    def lay_out(self) -> None:
        """Raises what the launch raises before its t0."""
        self._coroutine.switch()

    def go(self) -> Instance:
        """Ask for the instance. Raises what the launch raises."""
        self._coroutine.switch()
        if self._made is None:
            raise RuntimeError("the launch gave the word back a second time")
        return self._made

    def _run(self) -> None:
        self._made = self._launch(self.watch)

    def _give_back(self) -> None:
        parent = self._coroutine.parent
        if parent is not None:
            parent.switch()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._coroutine and not self._coroutine.dead:
            # GreenletExit at its clock.start(): it unwinds, and its own clean-up takes away what was laid out.
            self._coroutine.throw()
