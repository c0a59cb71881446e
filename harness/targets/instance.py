"""The contract of instances: what can be asked of a service that runs on a target, and done to it."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from harness.clock import Stopwatch
from harness.errors import DeployError
from harness.host.cgroups.detect import CgroupReader
from harness.lab.api import LabAddress
from harness.records.instance import InsideView
from harness.records.memory import GuestMemory
from harness.targets.facts import InstanceProcess

END_GRACE_S = 10.0
"""How long a service that is asked to end may take before it is killed, as Docker has it."""

log = logging.getLogger(__name__)


class Instance(ABC):
    """A service running on a target: a context manager that is stopped on the way out.

    The public methods check, take t0 and log; a target fills in ``_kill``, ``_terminate``, ``_restart`` and ``_stop``.
    """

    address: LabAddress
    accelerator: str = "none"
    limits_enforced: bool = True
    """False where the host does not let us enforce them (no control groups without root): the report says so."""

    _undo: ExitStack
    """Removes what was made to stage and to start it. ``_stop`` closes it."""

    _stopped: bool = False
    """Whether ``_stop`` has removed what was made for it, or has tried to: then nothing is left to be restarted."""

    @abstractmethod
    def processes(self) -> Sequence[InstanceProcess]:
        """The host's processes that exist because of this instance, now. Empty once it has stopped."""

    @property
    @abstractmethod
    def cgroup(self) -> CgroupReader | None:
        """The control group that holds the instance, or None where it has none."""

    @abstractmethod
    def alive(self) -> bool:
        """Whether the service (or the guest that carries it) has not ended."""

    @abstractmethod
    def logs(self) -> str:
        """What the service printed so far (for a VM also the console), newest last. Works after ``stop`` too."""

    @abstractmethod
    def content_digest(self) -> str:
        """The digest of the tree that this running instance was packaged from, recomputed from the packaging itself."""

    @abstractmethod
    def inside(self) -> InsideView:
        """What can be seen from inside, now."""

    def guest_memory(self) -> GuestMemory | None:
        """What the guest's kernel says of its memory now, asked quickly; None where the kernel is the host's."""
        return None

    def kill(self) -> None:
        """The service dies at once: SIGKILL for every process of it, or its machine loses its power. Idempotent.

        Afterwards it is not alive and has no processes. What it wrote to its own file system stays, and so do its
        place in the lab and its limits, until ``stop``. Raises DeployError if it cannot be killed.
        """
        log.debug("%s: kill", self.address.prefix)
        self._kill()

    def terminate(self, grace_s: float = END_GRACE_S) -> None:
        """The same in order: the service is asked to end (SIGTERM), and killed after ``grace_s``. Idempotent."""
        log.debug("%s: terminate within %g s", self.address.prefix, grace_s)
        self._terminate(grace_s)
        log.info("%s: terminated", self.address.prefix)

    def restart(self, clock: Stopwatch) -> None:
        """Start it in the same place once it has ended: address, limits, file system as it was left, log going on.

        t0 is taken on ``clock`` after what is untimed in a start too, and the phases are those that a start and a
        restart have in common. May be called after every end of the service. Raises DeployError if it has not ended or
        cannot be started.
        """
        prefix = self.address.prefix
        if self._stopped or self.alive():
            state = "was stopped for good" if self._stopped else "still runs"
            raise DeployError(f"{prefix} cannot be restarted: it {state}.", "Kill or terminate it first.")
        with ExitStack() as until_started:
            self._stage_again(until_started)
            clock.start()
            self._restart(clock)
        log.info("%s: restarted", prefix)

    def stop(self) -> None:
        """Stop it and remove everything made for it. Idempotent. Raises DeployError if anything of it survives."""
        log.debug("%s: stop", self.address.prefix)
        self._stop()
        log.info("%s: stopped", self.address.prefix)

    @abstractmethod
    def _kill(self) -> None:
        """See ``kill``."""

    @abstractmethod
    def _terminate(self, grace_s: float) -> None:
        """See ``terminate``."""

    def _stage_again(self, until_started: ExitStack) -> None:  # noqa: B027 - most targets need nothing
        """What comes before t0 of a restart. ``until_started`` is closed when the restart has ended, well or not."""

    @abstractmethod
    def _restart(self, clock: Stopwatch) -> None:
        """What is timed of a restart: the first call that asks for it, and the phases."""

    @abstractmethod
    def _stop(self) -> None:
        """See ``stop``."""

    def take_over(self, undo: ExitStack) -> None:
        """From now on it is this instance that removes what was made to stage and to start it."""
        self._undo = undo

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
