"""Control groups version 2: one hierarchy for all controllers."""

from __future__ import annotations

from pathlib import Path

from harness.host.cgroups.base import (
    GROUP,
    PERIOD_US,
    V2_CONTROLLERS,
    CgroupReader,
    Hierarchies,
    Hierarchy,
    group_pids,
    page_tables,
    read_file,
    read_optional,
    read_stat,
    whole_instance,
    write_file,
)
from harness.host.cpu_lists import cpu_list
from harness.records.memory import CgroupMemory

_KERNEL_PARTS = ("kernel_stack", "pagetables", "sec_pagetables", "percpu", "vmalloc", "slab")


class V2Reader(CgroupReader):
    """Reads one folder."""

    def __init__(self, path_name: str, folder: Path, proc: Path) -> None:
        self.path_name = path_name
        self._folder = folder
        self._proc = proc

    def memory(self) -> CgroupMemory:
        stat = read_stat(self._folder / "memory.stat")
        tables = stat.get("pagetables")
        # memory.stat has ``kernel`` since Linux 5.18; before, it is the sum of its parts.
        kernel = stat.get("kernel")
        return CgroupMemory(
            anon=stat["anon"],
            file=stat["file"],
            kernel=sum(stat.get(part, 0) for part in _KERNEL_PARTS) if kernel is None else kernel,
            page_tables=page_tables(self._proc, self.pids()) if tables is None else tables,
            current=int(read_file(self._folder / "memory.current")),
            peak=read_optional(self._folder / "memory.peak"),
        )

    def cpu_ns(self) -> int:
        return read_stat(self._folder / "cpu.stat")["usage_usec"] * 1000

    def throttled_periods(self) -> int:
        return read_stat(self._folder / "cpu.stat").get("nr_throttled", 0)

    def pids(self) -> tuple[int, ...]:
        return group_pids(self._folder)


def reader_of(layout: Hierarchies, memberships: str) -> V2Reader | None:
    """The group that /proc/<pid>/cgroup names; None where it is the root or has no memory controller."""
    for line in memberships.splitlines():
        if line.startswith("0::") and layout.v2 is not None:
            group = whole_instance(line.removeprefix("0::"))
            folder = layout.v2.folder(group)
            if folder is None or folder == layout.v2.mount or not (folder / "memory.stat").exists():
                return None
            return V2Reader(group, folder, layout.proc)
    return None


def own_folder(hierarchy: Hierarchy, name: str) -> Path:
    """The folder of our group."""
    return hierarchy.mount / GROUP / name


def make(folder: Path, memory_bytes: int, cpus: float, cpuset: frozenset[int]) -> None:
    """Make our group and set its limits. Raises Unavailable where the kernel refuses one."""
    parent = folder.parent
    _enable(parent.parent)
    parent.mkdir(exist_ok=True)
    _enable(parent)
    folder.mkdir(exist_ok=True)
    write_file(folder / "memory.max", str(memory_bytes))
    if (folder / "memory.swap.max").exists():
        write_file(folder / "memory.swap.max", "0")
    write_file(folder / "cpuset.cpus", cpu_list(cpuset))
    if cpus < len(cpuset):
        write_file(folder / "cpu.max", f"{round(cpus * PERIOD_US)} {PERIOD_US}")


def _enable(folder: Path) -> None:
    enabled = (folder / "cgroup.subtree_control").read_text().split()
    missing = [controller for controller in V2_CONTROLLERS if controller not in enabled]
    if missing:
        write_file(folder / "cgroup.subtree_control", " ".join(f"+{controller}" for controller in missing))
