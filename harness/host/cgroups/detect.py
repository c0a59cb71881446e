"""Control groups of versions 1 and 2 behind one interface; which one counts is found out once per process."""

from __future__ import annotations

from harness.host.cgroups import v1 as cgroup_v1
from harness.host.cgroups import v2 as cgroup_v2
from harness.host.cgroups.base import CgroupReader, Hierarchies, Version
from harness.host.cgroups.hierarchies import detect, layout, obstacle, version, writable
from harness.host.cgroups.own import OwnCgroup, leftovers, remove_leftover

__all__ = [
    "CgroupReader",
    "Hierarchies",
    "OwnCgroup",
    "Version",
    "cgroup_of",
    "detect",
    "layout",
    "leftovers",
    "obstacle",
    "remove_leftover",
    "version",
    "writable",
]


def cgroup_of(pid: int, at: Hierarchies | None = None) -> CgroupReader | None:
    """The group that a process is in (a guest's whole group for QEMU). None if it is the root or cannot be read."""
    at = at or layout()
    try:
        memberships = (at.proc / str(pid) / "cgroup").read_text()
    except OSError:
        return None
    if at.version == "1":
        return cgroup_v1.reader_of(at, memberships)
    return cgroup_v2.reader_of(at, memberships) if at.version == "2" else None
