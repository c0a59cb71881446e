"""Control groups of ours: made with limits, entered by a command, killed and removed to the last one."""

from __future__ import annotations

import errno
import os
import re
import select
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.clock import NS_PER_MS, NS_PER_S, now_ns
from harness.errors import DeployError, Unavailable
from harness.host.cgroups import v1 as cgroup_v1
from harness.host.cgroups import v2 as cgroup_v2
from harness.host.cgroups.base import GROUP, CgroupReader, Hierarchies, descendants, group_pids
from harness.host.cgroups.hierarchies import layout, mounts, obstacle

KILL_LIMIT_S = 10.0
_ENTER = 'for file in {files}; do echo 0 > "$file" || exit 125; done; exec "$@"'


class OwnCgroup:
    """A control group of ours with limits: ``tare/<name>``. A context manager that leaves nothing behind."""

    def __init__(self, name: str, at: Hierarchies) -> None:
        self.name = name
        self.reader: CgroupReader
        if at.version == "1":
            self._by_controller = cgroup_v1.own_folders(at, name)
            # cpu and cpuacct are often one hierarchy.
            self._folders = tuple(dict.fromkeys(self._by_controller.values()))
            self.reader = cgroup_v1.V1Reader(f"/{GROUP}/{name}", self._by_controller, at.proc)
        elif at.v2 is not None:
            self._folders = (cgroup_v2.own_folder(at.v2, name),)
            self.reader = cgroup_v2.V2Reader(f"/{GROUP}/{name}", self._folders[0], at.proc)
        else:
            raise Unavailable(*(obstacle(at) or ("no control groups here", "tare doctor")))
        self._at = at

    @classmethod
    def create(
        cls, name: str, *, memory_bytes: int, cpus: float, cpuset: frozenset[int], at: Hierarchies | None = None
    ) -> OwnCgroup:
        """Make the group. No swap. A CPU quota only if ``cpus`` is less than the cpuset, which is the limit otherwise.

        Raises Unavailable, with the fixing command, where groups cannot be made; nothing is left behind then.
        """
        at = at or layout()
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", name) or name in (".", ".."):
            raise ValueError(f"not usable as the name of a control group: {name!r}")
        if problem := obstacle(at):
            raise Unavailable(*problem)
        group = cls(name, at)
        for attempt in range(3):
            try:
                group._make(memory_bytes, cpus, cpuset)
            except FileNotFoundError:
                # Another campaign removed the empty parent between our two mkdir calls.
                if attempt == 2:
                    group.remove()
                    raise
            except BaseException:
                # An interrupt too: nobody else knows the group yet.
                group.remove()
                raise
            else:
                break
        return group

    def _make(self, memory_bytes: int, cpus: float, cpuset: frozenset[int]) -> None:
        if self._at.version == "1":
            cgroup_v1.make(self._by_controller, memory_bytes, cpus, cpuset)
        else:
            cgroup_v2.make(self._folders[0], memory_bytes, cpus, cpuset)

    @property
    def procs_files(self) -> tuple[Path, ...]:
        """A process joins by writing 0 to each of these; its children are born in the group.

        The first write waits for a grace period of the kernel (7 to 15 ms seen; the next ones 0.05 to 0.2 ms), so
        whoever must not be timed with it joins before t0.
        """
        return tuple(folder / "cgroup.procs" for folder in self._folders)

    def enter_command(self) -> tuple[str, ...]:
        """Words to put before a command line: the process joins the group and becomes the command (same pid).

        Costs what ``procs_files`` says, and a shell's start (0.5 ms).
        """
        files = " ".join(f"'{file}'" for file in self.procs_files)
        return ("sh", "-c", _ENTER.format(files=files), "sh")

    def kill(self) -> None:
        """SIGKILL every process in it and wait until none is left. Raises DeployError after ``KILL_LIMIT_S``."""
        deadline_ns = now_ns() + int(KILL_LIMIT_S * NS_PER_S)
        while pids := self._pids():
            left_ns = deadline_ns - now_ns()
            if left_ns <= 0:
                numbers = " ".join(map(str, pids))
                raise DeployError(f"processes of {self.name} outlive SIGKILL: {numbers}", f"look at: ps -fp {numbers}")
            for folder in self._folders:
                if (folder / "cgroup.kill").exists():
                    (folder / "cgroup.kill").write_text("1")
            _kill_and_wait(pids, left_ns)

    def _pids(self) -> tuple[int, ...]:
        return tuple(sorted({pid for folder in self._folders for pid in group_pids(folder)}))

    def remove(self) -> None:
        """Remove it, and the parent ``tare`` if it is empty then. Idempotent. Raises DeployError if it is in use."""
        for folder in self._folders:
            for group in reversed(list(descendants(folder))):
                _rmdir(group, self.name)
            try:
                folder.parent.rmdir()
            except OSError as error:
                if error.errno not in (errno.EBUSY, errno.ENOENT, errno.ENOTEMPTY):
                    raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()
        self.remove()


def leftovers(prefix: str, at: Hierarchies | None = None) -> list[str]:
    """The names of groups of ours that begin with ``prefix``, sorted."""
    names: set[str] = set()
    for mount in mounts(at or layout()):
        folder = mount / GROUP
        if folder.is_dir():
            names.update(child.name for child in folder.iterdir() if child.is_dir() and child.name.startswith(prefix))
    return sorted(names)


def remove_leftover(name: str, at: Hierarchies | None = None) -> None:
    """Kill what is in the group of that name and remove it. Idempotent. Raises DeployError if something survives."""
    with OwnCgroup(name, at or layout()):
        pass


def _kill_and_wait(pids: Sequence[int], limit_ns: int) -> None:
    poll = select.poll()
    fds: set[int] = set()
    waiting: set[int] = set()
    try:
        for pid in pids:
            try:
                fd = os.pidfd_open(pid)
                fds.add(fd)
                signal.pidfd_send_signal(fd, signal.SIGKILL)
            except ProcessLookupError:
                continue
            poll.register(fd, select.POLLIN)
            waiting.add(fd)
        deadline_ns = now_ns() + limit_ns
        while waiting and (left_ns := deadline_ns - now_ns()) > 0:
            for fd, _ in poll.poll(left_ns / NS_PER_MS):
                waiting.discard(fd)
                poll.unregister(fd)
    finally:
        for fd in fds:
            os.close(fd)
    # The last thread leaves its group a moment after its process is reported dead, and version 1 has no event for it.
    time.sleep(0.001)


def _rmdir(group: Path, name: str) -> None:
    deadline_ns = now_ns() + NS_PER_S
    while True:
        try:
            group.rmdir()
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.EBUSY or now_ns() > deadline_ns or group_pids(group):
                what = f"the control group {name} cannot be removed: {error.strerror}"
                raise DeployError(what, f"look at: cat {group}/cgroup.procs") from error
            # A group stays busy for a moment after its last process has ended; no event tells when that is over.
            time.sleep(0.002)
        else:
            return
