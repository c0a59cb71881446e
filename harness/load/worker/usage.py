"""What the generator's process uses of its core."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Self

from harness.clock import now_ns


@dataclass(frozen=True, slots=True)
class CoreUsage:
    """The process's own use of its core, up to a moment."""

    at_ns: int
    cpu_ns: int
    waited_ns: int

    @classmethod
    def now(cls, waited_ns: int) -> Self:
        """Up to now. ``waited_ns``: what of its CPU time it spent on active waiting."""
        return cls(now_ns(), time.process_time_ns(), waited_ns)

    def busy_until(self, later: CoreUsage) -> float:
        """The share of the time between the two readings spent on work: CPU time less active waiting."""
        work = (later.cpu_ns - self.cpu_ns) - (later.waited_ns - self.waited_ns)
        return max(0.0, work / max(1, later.at_ns - self.at_ns))
