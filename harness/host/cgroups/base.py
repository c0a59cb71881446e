"""What both versions of control groups have in common: the layout of this host, and what can be read of a group."""

from __future__ import annotations

import errno
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.errors import DeployError, Unavailable
from harness.records.memory import CgroupMemory

Version = Literal["1", "2", "none"]

GROUP = "tare"
"""Every group of ours is ``tare/<name>`` below the root of each hierarchy."""

V1_CONTROLLERS = ("memory", "cpu", "cpuacct", "cpuset")
V2_CONTROLLERS = ("memory", "cpu", "cpuset")

PERIOD_US = 100_000
"""The period of a CPU quota: the kernel's default and Docker's, so that a fraction of a CPU means the same for all."""

_LIBVIRT_THREADS = re.compile(r"(emulator|vcpu\d+|iothread\d+)")


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """One mounted hierarchy: ``root`` is the group that ``mount`` shows (not ``/`` inside some containers)."""

    mount: Path
    root: str = "/"

    def folder(self, group: str) -> Path | None:
        """The folder of a group as /proc/<pid>/cgroup names it, or None where this mount does not show it."""
        if self.root == "/":
            return self.mount / group.lstrip("/")
        if group == self.root or group.startswith(self.root + "/"):
            return self.mount / group[len(self.root) :].lstrip("/")
        return None


@dataclass(frozen=True, slots=True)
class Hierarchies:
    """This host's hierarchies; ``v1`` is by controller. A hybrid host has both, and ``version`` says which counts."""

    version: Version
    v1: Mapping[str, Hierarchy]
    v2: Hierarchy | None
    proc: Path


class CgroupReader(ABC):
    """The counters of one control group, its descendants included. Every method raises DeployError once it is gone."""

    path_name: str
    """The group's name below the root of its hierarchy."""

    @abstractmethod
    def memory(self) -> CgroupMemory: ...

    @abstractmethod
    def cpu_ns(self) -> int:
        """CPU time used since the group was made."""

    @abstractmethod
    def throttled_periods(self) -> int:
        """How often a CPU quota of this very group stopped it. 0 where it has no quota."""

    @abstractmethod
    def pids(self) -> tuple[int, ...]:
        """The processes that are in it now, in ascending order."""


def read_file(path: Path) -> str:
    """A counter's text. Raises DeployError where the group is gone."""
    try:
        return path.read_text()
    except OSError as error:
        raise DeployError(
            f"the control group's {path} cannot be read: {error.strerror}",
            "the instance has ended or its group was removed; look at the instance's log",
        ) from error


def read_optional(path: Path) -> int | None:
    """A counter that some kernels do not have. None only if the file does not exist in a group that does."""
    if not path.exists() and path.parent.exists():
        return None
    return int(read_file(path))


def read_stat(path: Path) -> dict[str, int]:
    """A flat-keyed file, such as memory.stat, as numbers."""
    pairs = (line.split() for line in read_file(path).splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2}


def write_file(path: Path, value: str) -> None:
    """Set a limit. Raises Unavailable where the kernel refuses it."""
    try:
        path.write_text(value)
    except OSError as error:
        raise Unavailable(
            f"the kernel refuses {value!r} for {path}: {error.strerror}",
            f"as root, find out why: echo {value!r} > {path}",
        ) from error


def group_pids(folder: Path) -> tuple[int, ...]:
    """The processes of a group and its descendants, ascending. Groups that vanish meanwhile are skipped."""
    found: set[int] = set()
    for group in descendants(folder):
        try:
            found.update(int(word) for word in (group / "cgroup.procs").read_text().split())
        except FileNotFoundError:
            continue
        except OSError as error:
            # A threaded group of v2 does not list processes; the domain above it does. ENODEV: it is being removed.
            if error.errno not in (errno.EOPNOTSUPP, errno.ENODEV):
                raise
    # 0 stands for a process of another pid namespace, which has no number here.
    return tuple(sorted(found - {0}))


def descendants(folder: Path) -> Iterator[Path]:
    """The group and every group below it, dependants last."""
    yield folder
    try:
        children = sorted(child for child in folder.iterdir() if child.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return
    for child in children:
        yield from descendants(child)


def page_tables(proc: Path, pids: tuple[int, ...]) -> int:
    """The page tables of these processes in bytes (VmPTE), for kernels that do not count them by group."""
    total = 0
    for pid in pids:
        try:
            status = (proc / str(pid) / "status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        match = re.search(r"^VmPTE:\s+(\d+) kB", status, re.MULTILINE)
        total += int(match[1]) * 1024 if match else 0
    return total


def whole_instance(group: str) -> str:
    """The group of a whole instance. libvirt keeps a guest's threads in groups of their own below the guest's."""
    parts = group.strip("/").split("/")
    if len(parts) > 1 and _LIBVIRT_THREADS.fullmatch(parts[-1]):
        parts.pop()
        if len(parts) > 1 and parts[-1] == "libvirt":
            parts.pop()
    return "/" + "/".join(parts)
