"""Where a process runs: its network namespace and its CPUs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Confinement:
    """The network namespace ``netns`` (None: the caller's own), and the CPUs that alone are used (none given: any)."""

    netns: str | None = None
    cpus: frozenset[int] = frozenset()

    def command(self, command: Sequence[str]) -> list[str]:
        """``command``, run in there."""
        inside = [] if self.netns is None else ["nsenter", f"--net=/run/netns/{self.netns}", "--"]
        pinned = ["taskset", "-c", ",".join(map(str, sorted(self.cpus)))] if self.cpus else []
        return [*inside, *pinned, *command]
