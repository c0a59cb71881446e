"""Control groups version 1: a hierarchy for each controller, and a process may be in a different group of each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.host.cgroups.base import (
    GROUP,
    PERIOD_US,
    V1_CONTROLLERS,
    CgroupReader,
    Hierarchies,
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


class V1Reader(CgroupReader):
    """Reads ``memory``, ``cpuacct`` and ``cpu``, each from the folder given for it.

    Instead of ``cpuacct`` there may be ``unified``: the group of the version 2 hierarchy beside, which counts CPU time
    even without controllers. libvirt leaves guests at the root of ``cpuacct`` where that is mounted apart from ``cpu``.
    """

    def __init__(self, path_name: str, folders: Mapping[str, Path], proc: Path) -> None:
        self.path_name = path_name
        self._folders = dict(folders)
        self._proc = proc

    def memory(self) -> CgroupMemory:
        folder = self._folders["memory"]
        stat = read_stat(folder / "memory.stat")
        current = int(read_file(folder / "memory.usage_in_bytes"))
        anon, file = stat["total_rss"], stat["total_cache"]
        kernel = read_optional(folder / "memory.kmem.usage_in_bytes")
        return CgroupMemory(
            anon=anon,
            file=file,
            # Without kmem accounting by file, the rest of the total is the kernel's.
            kernel=max(0, current - anon - file) if kernel is None else kernel,
            page_tables=page_tables(self._proc, self.pids()),
            current=current,
            peak=read_optional(folder / "memory.max_usage_in_bytes"),
        )

    def cpu_ns(self) -> int:
        if "cpuacct" in self._folders:
            return int(read_file(self._folders["cpuacct"] / "cpuacct.usage"))
        return read_stat(self._folders["unified"] / "cpu.stat")["usage_usec"] * 1000

    def throttled_periods(self) -> int:
        return read_stat(self._folders["cpu"] / "cpu.stat").get("nr_throttled", 0) if "cpu" in self._folders else 0

    def pids(self) -> tuple[int, ...]:
        return group_pids(self._folders["memory"])


def reader_of(layout: Hierarchies, memberships: str) -> V1Reader | None:
    """The groups that /proc/<pid>/cgroup names; None where memory or CPU time is the root's."""
    groups: dict[str, str] = {}
    for line in memberships.splitlines():
        _, controllers, group = line.split(":", 2)
        groups.update((controller or "unified", group) for controller in controllers.split(","))
    folders: dict[str, Path] = {}
    for controller in ("memory", "cpuacct", "cpu", "unified"):
        hierarchy = layout.v2 if controller == "unified" else layout.v1.get(controller)
        group = groups.get(controller, "/")
        if hierarchy is None or group == "/":
            continue
        folder = hierarchy.folder(whole_instance(group))
        if folder is not None and folder != hierarchy.mount and folder.is_dir():
            folders[controller] = folder
    if "memory" not in folders or not folders.keys() & {"cpuacct", "unified"}:
        return None
    return V1Reader(whole_instance(groups["memory"]), folders, layout.proc)


def own_folders(layout: Hierarchies, name: str) -> dict[str, Path]:
    """The folder of our group in each hierarchy that we use."""
    return {
        controller: layout.v1[controller].mount / GROUP / name
        for controller in V1_CONTROLLERS
        if controller in layout.v1
    }


def make(folders: Mapping[str, Path], memory_bytes: int, cpus: float, cpuset: frozenset[int]) -> None:
    """Make our group in every hierarchy and set its limits. Raises Unavailable where the kernel refuses one."""
    for folder in folders.values():
        parent = folder.parent
        parent.mkdir(exist_ok=True)
        if folder == folders["cpuset"]:
            # A cpuset without CPUs or memory nodes takes no process, and nothing is inherited on version 1.
            for file in ("cpuset.cpus", "cpuset.mems"):
                if not (parent / file).read_text().strip():
                    write_file(parent / file, (parent.parent / file).read_text().strip())
        if folder == folders["memory"] and read_optional(parent / "memory.use_hierarchy") == 0:
            write_file(parent / "memory.use_hierarchy", "1")
        folder.mkdir(exist_ok=True)
    memory, cpu, pinned = folders["memory"], folders["cpu"], folders["cpuset"]
    write_file(memory / "memory.limit_in_bytes", str(memory_bytes))
    if (memory / "memory.memsw.limit_in_bytes").exists():
        write_file(memory / "memory.memsw.limit_in_bytes", str(memory_bytes))
    write_file(pinned / "cpuset.mems", (pinned.parent / "cpuset.mems").read_text().strip())
    write_file(pinned / "cpuset.cpus", cpu_list(cpuset))
    if cpus < len(cpuset):
        write_file(cpu / "cpu.cfs_period_us", str(PERIOD_US))
        write_file(cpu / "cpu.cfs_quota_us", str(round(cpus * PERIOD_US)))
