"""What every boot of one machine needs, the first and the later ones alike."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.clock import Stopwatch
from harness.errors import DeployError
from harness.targets.vm import connection as vm_libvirt
from harness.targets.vm.console import VmConsole


@dataclass(frozen=True, slots=True)
class VmBoot:
    """``state`` is the folder of the sockets, ``owner`` the user and group of QEMU, ``token`` as for the console."""

    name: str
    xml: str
    state: Path
    scratch: Path
    token: str
    owner: tuple[int, int]

    def stage(self, connection: Any) -> StagedBoot:
        """The next boot, whose console listens already. ``connection`` is libvirt's. Raises DeployError."""
        return StagedBoot(self, connection, VmConsole(self.state, self.scratch, self.token, self.owner))


@dataclass(frozen=True, slots=True)
class StagedBoot:
    """One boot that is asked for next."""

    machine: VmBoot
    connection: Any
    console: VmConsole

    def start(self, clock: Stopwatch) -> int:
        """Give the machine power: the pid of its QEMU. The console stamps the boot's phases on ``clock``.

        Raises DeployError, with QEMU's log as a note.
        """
        import libvirt

        machine = self.machine
        self.console.clock = clock
        try:
            self.connection.createXML(machine.xml, 0)
        except libvirt.libvirtError as error:
            failure = DeployError(f"libvirt could not start {machine.name}", "read the log below; then: tare doctor")
            failure.add_note(str(error))
            failure.add_note(vm_libvirt.take_log(machine.name, machine.scratch))
            raise failure from error
        pid = vm_libvirt.qemu_pid(machine.name)
        if pid is None:
            failure = DeployError(f"QEMU of {machine.name} ended at once", "read the log below; then: tare doctor")
            with contextlib.suppress(OSError):
                failure.add_note(vm_libvirt.take_log(machine.name, machine.scratch))
            failure.add_note(self.console.text())
            raise failure
        return pid
