"""Target ``vm``: a virtual machine by libvirt and QEMU: its own kernel and operating system, and the service in it.

The guest boots from a read-only disk that all machines share, and starts the service from the second, untouched
workload disk as a systemd service with that disk as its root. Both are behind overlays of their own, which are made
inside the timed region: they are part of what each machine costs. The memory limit is the guest's RAM, the CPU limit
its virtual CPUs, pinned with QEMU's own threads. The service's standard output is a pipe, as a container's is.

Phases: ``defined`` (overlays made; libvirt is asked next), ``vmm_running`` (QEMU has opened the console), ``kernel``
(its first byte there), ``user_space`` (the initial RAM file system's first act), ``service_started`` (systemd says so).
"""

from __future__ import annotations

import contextlib
import importlib.util
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from harness.artifacts.api import Artifact
from harness.artifacts.builders.guest import GuestDisk, guest_disk
from harness.artifacts.packagings.disk import allocated_bytes, ensure_disk
from harness.clock import Stopwatch
from harness.errors import BuildError, DeployError, TareError, Unavailable
from harness.host import accelerator, kvm_device
from harness.host.facts import HostFacts
from harness.host.paths import run_dir
from harness.lab.api import LabAddress
from harness.targets.api import Availability, Footprint, Instance, Leftover, Service, Staged, Target
from harness.targets.vm import connection as vm_libvirt
from harness.targets.vm.boot import StagedBoot, VmBoot
from harness.targets.vm.console import CONSOLE_SOCKET, LOG_SOCKET
from harness.targets.vm.domain import DomainFiles, domain_xml, qemu_owner
from harness.targets.vm.instance import VmInstance, VmPlaces, instances_dir, removal
from harness.targets.vm.unit import launch_archive

_FIX = "tare provision"
_PROGRAMS = (accelerator.QEMU, "qemu-img", "mmdebstrap", "mke2fs")
_SUFFIX = "-vm"
_EMULATED_PERIOD_NS = 20_000_000


class VmTarget(Target):
    """The service in a virtual machine."""

    name = "vm"
    summary = "a virtual machine (libvirt, QEMU) with a Debian guest that runs the service under systemd"
    family = "machine"
    shared_parts = frozenset({"guest disk", "guest kernel"})
    engine_processes = ("libvirtd", "virtlogd", "virtlockd", "virtqemud", "virtnetworkd", "virtstoraged")

    @property
    def probe_period_ns(self) -> int:
        """An emulated kernel takes long to refuse a connection: 1,100 a second would be what its start is made of."""
        emulated = accelerator.probe().kind != "kvm"
        return _EMULATED_PERIOD_NS if emulated else super().probe_period_ns

    def available(self, host: HostFacts) -> Availability:
        if not host.root:
            return Availability(False, "virtual machines on the lab's bridge need root", "sudo -E tare run …")
        for program in _PROGRAMS:
            if shutil.which(program) is None:
                return Availability(False, f"{program} is not installed", _FIX)
        if importlib.util.find_spec("libvirt") is None:
            return Availability(False, "the Python package libvirt-python is not installed", _FIX)
        try:
            with contextlib.closing(vm_libvirt.connect()) as connection:
                obstacle = vm_libvirt.kvm_obstacle(_ids(qemu_owner(connection.getCapabilities(), "tcg")))
        except Unavailable as error:
            return Availability(False, error.what, _FIX)
        if obstacle:
            return Availability(False, obstacle, kvm_device.FIX)
        found = accelerator.probe()
        if found.kind == "none":
            return Availability(False, found.reason, _FIX)
        return Availability(True, found.reason if found.kind == "kvm" else f"emulated: {found.reason}")

    def prepare(self, artifact: Artifact) -> None:
        if artifact.embedded:
            raise BuildError("this artifact has no root file system for a virtual machine", "run as root")
        guest_disk()
        ensure_disk(artifact)
        accelerator.probe()

    def footprint(self, artifact: Artifact) -> Footprint:
        guest = guest_disk()
        return Footprint(
            {
                "guest disk": guest.footprint,
                "guest kernel": guest.kernel_footprint,
                "workload disk": allocated_bytes(artifact.disk),
            }
        )

    def _stage(self, service: Service, at: LabAddress, scratch: Path, undo: ExitStack) -> Staged:
        guest = guest_disk()
        kind = "kvm" if accelerator.probe().kind == "kvm" else "tcg"
        token = f"tare-ended-{secrets.token_hex(8)}"
        connected = undo.enter_context(ExitStack())
        connection = connected.enter_context(contextlib.closing(vm_libvirt.connect()))
        owner = qemu_owner(connection.getCapabilities(), kind)
        archive = launch_archive(service, at, token)
        places = VmPlaces(f"{at.prefix}{_SUFFIX}")
        undo.callback(places.remove)
        places.make()
        files = _files(guest, places)
        xml = domain_xml(places.name, files, at, service.limits, service.cpuset, accelerator=kind, owner=owner)
        boot = VmBoot(places.name, xml, places.state, scratch, token, _ids(owner)).stage(connection)
        undo.callback(boot.console.close)
        overlays = _Overlays(guest, service.artifact.disk, files, archive, _ids(owner))
        return StagedVm(at, kind, overlays, boot, connected, undo)

    def leftovers(self, prefix: str) -> Sequence[Leftover]:
        try:
            domains = vm_libvirt.domain_names(prefix)
        except TareError:
            domains = []
        found = [Leftover("virtual machine", name, removal(name)) for name in domains]
        folders = {
            path.name
            for parent in (run_dir(), instances_dir())
            for path in parent.glob(f"{prefix}*{_SUFFIX}")
            if path.name not in domains
        }
        found += [Leftover("folder", name, VmPlaces(name).remove) for name in sorted(folders)]
        return found


@dataclass(frozen=True, slots=True)
class _Overlays:
    """What one machine has over the disks that it shares. ``archive`` goes with the guest's initial RAM file system."""

    guest: GuestDisk
    workload: Path
    files: DomainFiles
    archive: bytes
    owner: tuple[int, int]

    def make(self) -> None:
        """Raises DeployError."""
        self.files.initrd.write_bytes(self.guest.initrd.read_bytes() + self.archive)
        _overlay(self.files.guest_overlay, self.guest.path, *self.owner)
        _overlay(self.files.workload_overlay, self.workload, *self.owner)


class StagedVm(Staged):
    """Empty folders, a console that listens, and libvirt connected."""

    def __init__(
        self,
        at: LabAddress,
        accelerator: str,
        overlays: _Overlays,
        boot: StagedBoot,
        connected: ExitStack,
        undo: ExitStack,
    ) -> None:
        super().__init__(at, undo)
        self._accelerator = accelerator
        self._overlays = overlays
        self._boot = boot
        self._connected = connected

    def _start(self, clock: Stopwatch) -> Instance:
        self._overlays.make()
        clock.stamp("defined")
        name = self._boot.machine.name
        self._undo.callback(vm_libvirt.destroy, name)
        pid = self._boot.start(clock)
        instance = VmInstance(self.address, VmPlaces(name), self._boot, pid, self._accelerator)
        self._connected.close()
        # Its own stop removes all of it, and can be tried again.
        self._undo.pop_all()
        return instance


def _ids(owner: str) -> tuple[int, int]:
    uid, _, gid = owner.partition(":")
    return int(uid), int(gid)


def _files(guest: GuestDisk, places: VmPlaces) -> DomainFiles:
    return DomainFiles(
        kernel=guest.kernel,
        initrd=places.disks / "initrd",
        guest_overlay=places.disks / "guest.qcow2",
        workload_overlay=places.disks / "workload.qcow2",
        console_socket=places.state / CONSOLE_SOCKET,
        log_socket=places.state / LOG_SOCKET,
    )


def _overlay(overlay: Path, backing: Path, uid: int, gid: int) -> None:
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(backing), str(overlay)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        error = DeployError(f"the overlay of {backing.name} cannot be made", "look for free space, and prepare again")
        error.add_note(done.stderr.strip())
        raise error
    shutil.chown(overlay, uid, gid)
