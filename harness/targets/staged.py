"""The contract between a target and an instance: a service that is staged, and the step that starts it."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Self

from harness.clock import NS_PER_MS, Stopwatch, now_ns
from harness.errors import TareError
from harness.lab.api import LabAddress
from harness.targets.instance import Instance

log = logging.getLogger(__name__)


class Staged(ABC):
    """A service for which everything untimed is done: a context manager, for one start.

    What was made so far is removed if it is never started and if its start fails. After a start that succeeded the
    instance removes it. ``undo`` is what removes it; a start enters more on it, each before the thing is made.
    """

    def __init__(self, at: LabAddress, undo: ExitStack) -> None:
        self.address = at
        self._undo = undo
        self._over = False

    def start(self, clock: Stopwatch) -> Instance:
        """Ask for the instance and return it as soon as it exists; readiness is the prober's business.

        Takes t0 on ``clock`` before anything else. The target's phases are stamped on it, some of them possibly after
        the return. Raises DeployError, with logs as notes, and OSError where the host refuses.
        """
        clock.start()
        if self._over:
            raise RuntimeError(f"{self.address.prefix} was staged for one start")
        self._over = True
        with undone_on_failure(self._undo, self.address, "start"):
            try:
                instance = self._start(clock)
            except TareError as error:
                if text := self._logs().strip():
                    error.add_note(text)
                raise
        instance.take_over(self._undo.pop_all())
        log.info("%s: started, returned after %.3f ms", self.address.prefix, (now_ns() - clock.trigger_ns) / NS_PER_MS)
        return instance

    def close(self) -> None:
        """Remove what was staged, unless it was started. Idempotent. Raises DeployError if it cannot be removed."""
        if not self._over:
            self._over = True
            log.info("%s: never started, rolled back", self.address.prefix)
        self._undo.close()

    @abstractmethod
    def _start(self, clock: Stopwatch) -> Instance:
        """What is timed: the first call that asks for the instance, what it takes until it exists, and the phases."""

    def _logs(self) -> str:
        """What there is of logs after a start that failed, unless the failure tells them itself."""
        return ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


@contextmanager
def undone_on_failure(undo: ExitStack, at: LabAddress, step: str) -> Iterator[None]:
    """``undo`` is closed if the block fails, and kept if it does not."""
    try:
        with ExitStack() as failed:
            failed.enter_context(undo)
            yield
            failed.pop_all()
    except BaseException as failure:
        log.info("%s: %s failed, rolled back: %s: %s", at.prefix, step, type(failure).__name__, failure)
        raise
