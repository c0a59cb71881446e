"""What executes a guest's instructions here: the processor (KVM) or QEMU's emulation (TCG). Only a boot tells.

``/dev/kvm`` can open, create machines and run firmware, and still never bring a kernel to user space (seen on hosts
that are guests themselves). So the real guest kernel is booted, with a limit, and the answer is kept until the host
boots again.
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from harness.clock import NS_PER_S, now_ns
from harness.errors import TareError
from harness.host import kvm_device
from harness.host.guest.initrd import USER_SPACE
from harness.host.guest.kernel import GuestKernel, guest_kernel_if_built
from harness.host.paths import cache_dir

QEMU = "qemu-system-x86_64"
LIMIT_S = 10
"""A kernel that works needs about a second."""

_KEY = "key"


@dataclass(frozen=True, slots=True)
class Accelerator:
    """``kind`` is what a guest will run on, ``reason`` says why in one line, ``proven`` whether a boot showed it."""

    kind: Literal["kvm", "tcg", "none"]
    reason: str
    proven: bool


def probe(force: bool = False) -> Accelerator:
    """The truth about this host's accelerator; takes up to ``LIMIT_S`` once per boot of the host. Never raises.

    ``force`` boots again even if the answer is known.
    """
    try:
        return _probe(force)
    except (OSError, TareError, subprocess.SubprocessError) as error:
        return Accelerator("tcg", f"KVM could not be tried: {error}", False)


def cached() -> Accelerator | None:
    """The answer of an earlier probe, if it still holds."""
    try:
        kernel = guest_kernel_if_built()
        return _recall(_key(kernel)) if kernel and shutil.which(QEMU) else None
    except (OSError, ValueError, KeyError, subprocess.SubprocessError):
        return None


def _probe(force: bool) -> Accelerator:
    if shutil.which(QEMU) is None:
        return Accelerator("none", "QEMU is not installed; tare provision installs it", False)
    if not kvm_device.DEVICE.exists():
        return Accelerator("tcg", "this host has no /dev/kvm", True)
    if not os.access(kvm_device.DEVICE, os.R_OK | os.W_OK):
        return Accelerator("tcg", "this user may not open /dev/kvm", False)
    kernel = guest_kernel_if_built()
    if kernel is None:
        return Accelerator("tcg", "KVM is not tried yet: the guest kernel is missing; tare provision fetches it", False)
    key = _key(kernel)
    if not force and (known := _recall(key)):
        return known
    found = _boot(kernel)
    _remember(key, found)
    return found


def _boot(kernel: GuestKernel) -> Accelerator:
    # The same machine and processor as the vm target's: a host may boot one model and abort on another.
    argv = [
        *(QEMU, "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio"),
        *("-machine", "pc,accel=kvm,usb=off", "-cpu", "max", "-m", "256", "-smp", "1"),
        *("-kernel", str(kernel.kernel), "-initrd", str(kernel.initrd)),
        *("-append", "console=ttyS0 earlyprintk=ttyS0,115200 panic=-1 loglevel=4"),
    ]
    begin_ns = now_ns()
    with (
        subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as qemu,
        selectors.DefaultSelector() as selector,
    ):
        assert qemu.stdout is not None
        try:
            selector.register(qemu.stdout, selectors.EVENT_READ)
            console = b""
            while (left_ns := begin_ns + LIMIT_S * NS_PER_S - now_ns()) > 0 and selector.select(left_ns / NS_PER_S):
                received = os.read(qemu.stdout.fileno(), 65536)
                console += received
                if USER_SPACE.encode() in console:
                    seconds = (now_ns() - begin_ns) / NS_PER_S
                    return Accelerator("kvm", f"a guest kernel reached user space under KVM in {seconds:.1f} s", True)
                if not received:
                    last = console.decode("utf-8", "replace").strip().rpartition("\n")[2]
                    return Accelerator("tcg", f"QEMU with KVM ended before user space: {last[:200]}", True)
        finally:
            qemu.kill()
    return Accelerator("tcg", f"/dev/kvm opens, but no kernel reached user space under it within {LIMIT_S} s", True)


def _key(kernel: GuestKernel) -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    version = subprocess.run([QEMU, "--version"], capture_output=True, text=True, check=True, timeout=LIMIT_S).stdout
    return f"{boot} {version.splitlines()[0]} {kernel.key} {os.geteuid()}"


def _file() -> Path:
    return cache_dir() / "accelerator.json"


def _recall(key: str) -> Accelerator | None:
    try:
        known = json.loads(_file().read_text("utf-8"))
        if known.pop(_KEY) != key or known["kind"] not in ("kvm", "tcg"):
            return None
        return Accelerator(**known)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # not there, or written by another version: the probe finds out again


def _remember(key: str, found: Accelerator) -> None:
    file = _file()
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.write_text(json.dumps({_KEY: key, **asdict(found)}), "utf-8")
    draft.rename(file)
