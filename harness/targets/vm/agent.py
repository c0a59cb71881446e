"""What can be seen inside a guest, through its agent: as an operator would look, not over the network under test."""

from __future__ import annotations

import base64
import contextlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.artifacts.builders.guest_system import INSIDE
from harness.clock import NS_PER_S, now_ns
from harness.errors import DeployError
from harness.targets.api import GuestMemory, InsideView
from harness.targets.vm.connection import connect

_LIMIT_S = 120
"""An emulated guest under full load answers slowly."""

_ANSWER_LIMIT_S = 30
_POLL_S = 0.1
_KIB = 1024


def look_inside(name: str) -> InsideView:
    """The view from inside the guest of that domain. Raises DeployError if its agent does not answer."""
    return parse_view(run_inside(name, (INSIDE,)), Path("/proc/self/cmdline").read_bytes())


def run_inside(name: str, argv: Sequence[str]) -> str:
    """What a program in the guest's operating system printed. Raises DeployError."""
    deadline_ns = now_ns() + _LIMIT_S * NS_PER_S
    with contextlib.closing(connect()) as connection:
        order = {"path": argv[0], "arg": list(argv[1:]), "capture-output": True}
        pid = _ask(connection, name, "guest-exec", order, deadline_ns)["pid"]
        while True:
            status = _ask(connection, name, "guest-exec-status", {"pid": pid}, deadline_ns)
            if status["exited"]:
                break
            if now_ns() > deadline_ns:
                raise _silent(name, "the program did not end")
            # The agent has no event for the end of a program.
            time.sleep(_POLL_S)
    if status.get("exitcode") != 0:
        raise _silent(name, f"{argv[0]} ended with {status.get('exitcode')}")
    return base64.b64decode(status.get("out-data", "")).decode("utf-8", "replace")


def shut_down(name: str, limit_s: float) -> bool:
    """Have the guest's systemd power it off, waiting so long for the agent, which starts after the service.

    Whether it was asked. The agent's own command for it, and ACPI's button, need a login manager, which a guest that
    nobody logs in to has not.
    """
    order: dict[str, object] = {"path": "systemctl", "arg": ["--no-block", "start", "poweroff.target"]}
    deadline_ns = now_ns() + int(limit_s * NS_PER_S)
    try:
        with contextlib.closing(connect()) as connection:
            _ask(connection, name, "guest-exec", order, deadline_ns)
    except DeployError:
        return False
    return True


def read_guest_memory(name: str) -> GuestMemory:
    """The guest's /proc/meminfo, read by the agent itself: no program is started. Raises DeployError."""
    deadline_ns = now_ns() + _LIMIT_S * NS_PER_S
    with contextlib.closing(connect()) as connection:
        handle = _ask(connection, name, "guest-file-open", {"path": "/proc/meminfo", "mode": "r"}, deadline_ns)
        read = _ask(connection, name, "guest-file-read", {"handle": handle, "count": 4096}, deadline_ns)
        _ask(connection, name, "guest-file-close", {"handle": handle}, deadline_ns)
    return parse_meminfo(base64.b64decode(read["buf-b64"]).decode())


def parse_meminfo(text: str) -> GuestMemory:
    """From the text of /proc/meminfo. Raises DeployError if it is not that."""
    values = {key: value.split() for key, _, value in (line.partition(":") for line in text.splitlines())}
    try:
        total, available = (int(values[key][0]) * _KIB for key in ("MemTotal", "MemAvailable"))
    except (KeyError, ValueError, IndexError) as error:
        raise DeployError(f"the guest's memory cannot be read: {error}", "look at the guest's console log") from error
    return GuestMemory(total, available)


def parse_view(text: str, own_command: bytes) -> InsideView:
    """The view from the lines of the guest's script. ``own_command`` is the harness's, with NULs, to be looked for."""
    values: dict[str, str] = {}
    commands: set[str] = set()
    for line in text.splitlines():
        key, _, value = line.partition("=")
        if key == "command":
            commands.add(value.strip())
        else:
            values[key] = value
    own = own_command.replace(b"\0", b" ").decode("utf-8", "replace").strip()
    try:
        return InsideView(
            kernel_release=values["kernel_release"],
            boot_id=values["boot_id"],
            uptime_s=float(values["uptime_s"]),
            visible_processes=int(values["visible_processes"]),
            sees_host_processes=own in commands,
            devices=int(values["devices"]),
            hypervisor_bit=values["hypervisor_bit"] == "1",
            virtualisation=values["virtualisation"],
        )
    except (KeyError, ValueError) as error:
        raise DeployError(f"the guest's answer cannot be read: {error}", "look at the guest's console log") from error


def _ask(connection: Any, name: str, command: str, arguments: dict[str, object], deadline_ns: int) -> Any:
    import libvirt
    import libvirt_qemu

    question = json.dumps({"execute": command, "arguments": arguments})
    while True:
        try:
            domain = connection.lookupByName(name)
            return json.loads(libvirt_qemu.qemuAgentCommand(domain, question, _ANSWER_LIMIT_S, 0))["return"]
        except libvirt.libvirtError as error:
            not_yet = error.get_error_code() in (
                libvirt.VIR_ERR_AGENT_UNRESPONSIVE,
                libvirt.VIR_ERR_AGENT_UNSYNCED,
            )
            if not not_yet or now_ns() > deadline_ns:
                raise _silent(name, str(error)) from error
            # It starts after the service; libvirt reports that only to a process that runs its event loop.
            time.sleep(_POLL_S)


def _silent(name: str, why: str) -> DeployError:
    return DeployError(f"the guest agent of {name} gave no answer: {why}", "look at the guest's console log")
