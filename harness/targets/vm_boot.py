"""What every boot of one machine needs, the first and the later ones alike."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.clock import Stopwatch
from harness.errors import DeployError
from harness.targets import vm_libvirt
from harness.targets.vm_console import VmConsole


@dataclass(frozen=True, slots=True)
class VmBoot:
    """``state`` is the folder of the sockets, ``owner`` the user and group of QEMU, ``token`` as for the console."""

    name: str
    xml: str
    state: Path
    scratch: Path
    token: str
    owner: tuple[int, int]

    def listen(self, clock: Stopwatch) -> VmConsole:
        """The console of the next boot, which stamps its phases on ``clock``. Raises DeployError."""
        return VmConsole(self.state, self.scratch, clock, self.token, self.owner)

    def start(self, connection: Any, console: VmConsole) -> int:
        """Give the machine power: the pid of its QEMU. Raises DeployError, with QEMU's log as a note."""
        import libvirt

        try:
            connection.createXML(self.xml, 0)
        except libvirt.libvirtError as error:
            failure = DeployError(f"libvirt could not start {self.name}", "read the log below; then: tare doctor")
            failure.add_note(str(error))
            failure.add_note(vm_libvirt.take_log(self.name, self.scratch))
            raise failure from error
        pid = vm_libvirt.qemu_pid(self.name)
        if pid is None:
            failure = DeployError(f"QEMU of {self.name} ended at once", "read the log below; then: tare doctor")
            with contextlib.suppress(OSError):
                failure.add_note(vm_libvirt.take_log(self.name, self.scratch))
            failure.add_note(console.text())
            raise failure
        return pid
