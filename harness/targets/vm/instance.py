"""A running virtual machine with one service in it."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import shutil
import subprocess
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from harness.artifacts.digest import tree_digest
from harness.clock import NS_PER_MS, NS_PER_S, Stopwatch
from harness.errors import DeployError
from harness.host.cgroups.detect import CgroupReader, cgroup_of
from harness.host.paths import cache_dir, run_dir
from harness.lab.api import LabAddress
from harness.targets.api import GuestMemory, InsideView, Instance, InstanceProcess
from harness.targets.vm import connection as vm_libvirt
from harness.targets.vm.agent import look_inside, read_guest_memory, shut_down
from harness.targets.vm.boot import StagedBoot
from harness.targets.vm.domain import workload_backing

log = logging.getLogger(__name__)

_END_LIMIT_S = 20
_LINKS = Path("/sys/class/net")


class VmPlaces:
    """Where one machine's files are: ``state`` for sockets (gone after a boot), ``disks`` beside the artifacts."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.state = run_dir() / name
        self.disks = instances_dir() / name

    def make(self) -> None:
        """Empty folders that QEMU's own user may pass through. Raises DeployError if another machine has them."""
        for folder in (self.state, self.disks):
            try:
                folder.mkdir(mode=0o755)
            except FileExistsError as error:
                raise DeployError(f"{folder} exists already", "remove what an earlier run left: tare sweep") from error

    def remove(self) -> None:
        """Remove both, and what is still mounted there. Idempotent. Raises DeployError if a mount cannot be undone."""
        if self.mount_point.is_mount():
            _run(["umount", str(self.mount_point)])
        for folder in (self.state, self.disks):
            if folder.exists():
                shutil.rmtree(folder)

    @property
    def mount_point(self) -> Path:
        return self.state / "packaging"


def instances_dir() -> Path:
    """The folder of all machines' overlays."""
    folder = cache_dir() / "instances"
    folder.mkdir(mode=0o755, exist_ok=True)
    return folder


class VmInstance(Instance):
    """The domain, QEMU's process, and the console's reader."""

    def __init__(self, at: LabAddress, places: VmPlaces, boot: StagedBoot, pid: int, accelerator: str) -> None:
        self.address = at
        self.accelerator = accelerator
        self._places = places
        self._boot = boot
        self._pid = pid
        self._handle = os.pidfd_open(pid)
        self._cgroup = cgroup_of(pid)

    def processes(self) -> Sequence[InstanceProcess]:
        if self._has_ended():
            return ()
        return (InstanceProcess(self._pid, "vmm", "qemu-system-x86_64"), *_vhost_threads(self._pid))

    @property
    def cgroup(self) -> CgroupReader | None:
        return None if self._has_ended() else self._cgroup

    def alive(self) -> bool:
        return self._boot.console.ended is None and not self._has_ended()

    def logs(self) -> str:
        return self._boot.console.text()

    def content_digest(self) -> str:
        if self._has_ended():
            raise DeployError(f"the virtual machine {self._places.name} has ended", "read its log")
        with contextlib.closing(vm_libvirt.connect()) as connection:
            backing = workload_backing(connection.lookupByName(self._places.name).XMLDesc())
        if backing is None:
            raise DeployError(f"{self._places.name} has no workload disk", "look at: virsh dumpxml")
        mount_point = self._places.mount_point
        mount_point.mkdir(exist_ok=True)
        _run(["mount", "-t", "ext4", "-o", "loop,ro,noload", str(backing), str(mount_point)])
        try:
            return tree_digest(mount_point)
        finally:
            _run(["umount", str(mount_point)])

    def inside(self) -> InsideView:
        return look_inside(self._places.name)

    def guest_memory(self) -> GuestMemory:
        return read_guest_memory(self._places.name)

    def _kill(self) -> None:
        """The machine loses its power: what the guest has not written to its disks is lost, as on any other machine."""
        if self._stopped:
            return
        name = self._places.name
        vm_libvirt.destroy(name)
        if not self._wait_for_end(_END_LIMIT_S):
            raise DeployError(f"QEMU of {name} ({self._pid}) survived its end", "run: tare sweep")
        self._boot.console.close()

    def _terminate(self, grace_s: float) -> None:
        """The guest's systemd sends SIGTERM to the service, writes the disks and powers the machine off."""
        if not self._has_ended() and shut_down(self._places.name, grace_s):
            ended = self._wait_for_end(grace_s)
            log.debug("%s: the guest was asked to power off, and %s", self._places.name, "did" if ended else "did not")
        self._kill()

    def _stage_again(self, until_started: ExitStack) -> None:
        """A service that ended by itself has left its guest running, which loses its power first."""
        self._kill()
        connection = until_started.enter_context(contextlib.closing(vm_libvirt.connect()))
        self._boot = self._boot.machine.stage(connection)

    def _restart(self, clock: Stopwatch) -> None:
        """The same machine, its disks as they were left. It has its overlays, so that ``defined`` is no phase."""
        pid = self._boot.start(clock)
        os.close(self._handle)
        self._pid = pid
        self._handle = os.pidfd_open(pid)
        self._cgroup = cgroup_of(pid)

    def _stop(self) -> None:
        if self._stopped:
            return
        name = self._places.name
        vm_libvirt.destroy(name)
        survivors = [] if self._wait_for_end(_END_LIMIT_S) else [f"QEMU ({self._pid})"]
        self._boot.console.close()
        vm_libvirt.take_log(name, self._boot.machine.scratch)
        self._places.remove()
        survivors += vm_libvirt.domain_names(name)
        survivors += [link for link in (self.address.interface,) if (_LINKS / link).exists()]
        if survivors:
            raise DeployError(f"of {name} there survived: {', '.join(survivors)}", "run: tare sweep")
        self._stopped = True
        os.close(self._handle)

    def _has_ended(self) -> bool:
        return self._stopped or bool(select.select([self._handle], [], [], 0)[0])

    def _wait_for_end(self, limit_s: float) -> bool:
        poll = select.poll()
        poll.register(self._handle, select.POLLIN)
        return bool(poll.poll(limit_s * NS_PER_S / NS_PER_MS))


def removal(name: str) -> Callable[[], None]:
    """What removes everything of the machine of that name that a killed run left behind."""

    def remove() -> None:
        vm_libvirt.destroy(name)
        VmPlaces(name).remove()

    return remove


def _vhost_threads(pid: int, proc: Path = Path("/proc")) -> list[InstanceProcess]:
    """The kernel's own workers for this machine's network, where it has them (before Linux 6.4 they are processes)."""
    name = f"vhost-{pid}"
    found = []
    for entry in proc.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if (entry / "comm").read_text().strip() == name[:15]:
                    found.append(InstanceProcess(int(entry.name), "helper", name))
    return found


def _run(argv: Sequence[str]) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise DeployError(f"{' '.join(argv)} failed: {done.stderr.strip()}", "run: tare sweep")
