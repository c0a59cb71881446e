"""Where a process of the load runs: its network namespace and its CPUs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Confinement:
    """The network namespace ``netns`` (None: the caller's own), and the CPUs that alone are used."""

    netns: str | None
    cpus: frozenset[int]

    def command(self, command: list[str]) -> list[str]:
        """``command``, run in there."""
        inside = [] if self.netns is None else ["nsenter", f"--net=/run/netns/{self.netns}", "--"]
        return [*inside, "taskset", "-c", ",".join(map(str, sorted(self.cpus))), *command]
