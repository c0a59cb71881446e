"""The host's own noise over a window: what makes a trial's figures say something about the host instead."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.clock import NS_PER_S
from harness.host import machine
from harness.host.cgroups.detect import CgroupReader
from harness.records.window import Noise


@dataclass(frozen=True, slots=True)
class NoiseCounters:
    """Counters at one moment, in the kernel's units: clock ticks, periods, pages."""

    times: machine.CpuTimes
    throttled_periods: int
    swapped_in_pages: int
    load1: float

    @classmethod
    def read(cls, groups: Iterable[CgroupReader], root: Path = machine.ROOT) -> NoiseCounters:
        """Now. ``groups`` are the instances' control groups: without any nothing can have been throttled."""
        return cls(
            times=machine.cpu_times(root),
            throttled_periods=sum(group.throttled_periods() for group in groups),
            swapped_in_pages=machine.vmstat(root).get("pswpin", 0),
            load1=machine.load1(root),
        )

    def until(self, after: NoiseCounters, own_cpu_ns: int) -> Noise:
        """The figures from here to ``after``; ``own_cpu_ns`` is what the instance and the instrument used meanwhile.

        Clock ticks are 10 ms, so a share over a window of a second is exact to one per cent of a CPU.
        """
        total_ticks = max(1, after.times.total - self.times.total)
        tick_ns = NS_PER_S // os.sysconf("SC_CLK_TCK")
        other_ns = (after.times.busy - self.times.busy) * tick_ns - own_cpu_ns
        return Noise(
            steal_share=max(0, after.times.steal - self.times.steal) / total_ticks,
            throttled_periods=after.throttled_periods - self.throttled_periods,
            swapped_in_pages=after.swapped_in_pages - self.swapped_in_pages,
            load1=after.load1,
            other_busy_share=min(1.0, max(0.0, other_ns / (total_ticks * tick_ns))),
        )
