"""What an instance can do more where an orchestrator keeps it: the second, small interface beside Instance."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from harness.lab.api import LabAddress


class Orchestrated(ABC):
    """A service of several replicas that an orchestrator starts, replaces and heals.

    Such an instance is alive for as long as the orchestrator keeps it running. ``kill`` of the instance ends one
    replica, which the orchestrator replaces; ``terminate`` and ``restart`` scale it to none and back.
    """

    @abstractmethod
    def replicas(self) -> int:
        """How many replicas run now: processes of theirs exist. They need not answer yet."""

    @abstractmethod
    def scale(self, replicas: int) -> None:
        """Ask for so many replicas; returns when the orchestrator has agreed. Raises DeployError without the places."""

    @abstractmethod
    def replace(self, env: Mapping[str, str]) -> None:
        """Ask for a rolling update to a version with these variables set otherwise; returns when that is agreed.

        Raises DeployError.
        """

    @abstractmethod
    def places(self) -> tuple[LabAddress, ...]:
        """Where replicas may be, the instance's own address first. A replacement may be at another of them."""
