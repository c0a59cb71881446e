"""CPU time that an instance used over a window, by its control group and by its processes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from harness.clock import NS_PER_S, now_ns
from harness.records.window import Cpu
from harness.targets.api import Instance

_PROC = Path("/proc")
_CPUCLOCK_SCHED = 2


@dataclass(frozen=True, slots=True)
class ProcessTime:
    """CPU time since a process began: its ``own`` (all threads, also ended ones) and its ``reaped`` children's."""

    own_ns: int
    reaped_ns: int

    @property
    def total_ns(self) -> int:
        return self.own_ns + self.reaped_ns


@dataclass(frozen=True, slots=True)
class CpuReading:
    """Counters at one moment. ``processes`` is by pid and start time, which together name one process."""

    at_ns: int
    cgroup_ns: int | None
    processes: dict[tuple[int, int], ProcessTime] = field(default_factory=dict)

    @classmethod
    def read(cls, instance: Instance) -> CpuReading:
        """Now. Raises DeployError if the instance's control group is gone."""
        group = instance.cgroup
        return cls(
            at_ns=now_ns(),
            cgroup_ns=group.cpu_ns() if group else None,
            processes=process_times(process.pid for process in instance.processes()),
        )


def used(before: CpuReading, after: CpuReading) -> Cpu:
    """What was used between two readings of the same instance, in nanoseconds.

    A process that ended in between counts through the one that waited for it, if that is the instance's as well; its
    control group misses nothing.
    """
    grouped = before.cgroup_ns is not None and after.cgroup_ns is not None
    return Cpu(
        cgroup_ns=(after.cgroup_ns or 0) - (before.cgroup_ns or 0) if grouped else None,
        processes_ns=_between(before.processes, after.processes),
        window_ns=after.at_ns - before.at_ns,
    )


def own_ns(instances: Iterable[Instance]) -> int:
    """CPU time used so far by these instances and the instrument: the harness and all that descends from it.

    Only the difference of two values means anything.
    """
    pids = descendants(os.getpid())
    charged_ns = 0
    for instance in instances:
        pids |= {process.pid for process in instance.processes()}
        # The group remembers its processes' time after their end, so they must not be counted by process as well.
        if (group := instance.cgroup) is not None:
            pids -= set(group.pids())
            charged_ns += group.cpu_ns()
    return charged_ns + sum(each.total_ns for each in process_times(pids).values())


def process_times(pids: Iterable[int], proc: Path = _PROC) -> dict[tuple[int, int], ProcessTime]:
    """The times of those that have not ended. Own time is exact; that of reaped children is in clock ticks (10 ms)."""
    tick_ns = NS_PER_S // os.sysconf("SC_CLK_TCK")
    times: dict[tuple[int, int], ProcessTime] = {}
    for pid in pids:
        try:
            fields = (proc / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()
            own = (
                time.clock_gettime_ns(_process_clock(pid)) if proc == _PROC else sum(map(int, fields[11:13])) * tick_ns
            )
        except OSError:
            continue  # it ended meanwhile
        times[pid, int(fields[19])] = ProcessTime(own, sum(map(int, fields[13:15])) * tick_ns)
    return times


def descendants(pid: int, proc: Path = _PROC) -> set[int]:
    """The process and all that descends from it, now."""
    children: dict[int, list[int]] = {}
    for entry in proc.iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue  # it ended meanwhile
            children.setdefault(parent, []).append(int(entry.name))
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        found.add(waiting[-1])
        waiting.extend(set(children.get(waiting.pop(), ())) - found)
    return found


def _process_clock(pid: int) -> int:
    """The clock of another process's CPU time (clock_getcpuclockid(3); Linux encodes it so, posix-timers_types.h)."""
    return (~pid << 3) | _CPUCLOCK_SCHED


def _between(before: dict[tuple[int, int], ProcessTime], after: dict[tuple[int, int], ProcessTime]) -> int:
    nothing = ProcessTime(0, 0)
    return sum(time.total_ns - before.get(process, nothing).total_ns for process, time in after.items())
