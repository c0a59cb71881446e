"""Looks around inside another process's namespaces: ``python inside_child.py PID COMMAND STARTTIME``.

Standard library only, and everything is imported before the root directory changes: the instance's image need not hold
a single program. Prints JSON. COMMAND and STARTTIME are those of the process that must not be visible in there.
"""

from __future__ import annotations

import ctypes
import json
import os
import stat
import sys
import time

_NAMESPACES = (("uts", 0x04000000), ("pid", 0x20000000), ("mnt", 0x00020000))


def _enter(pid: str) -> bool:
    """Join the namespaces that differ from ours and take the process's root; whether a fork is needed to be in them."""
    libc = ctypes.CDLL(None, use_errno=True)
    # Every descriptor is opened first: afterwards /proc is another one.
    differing = []
    for name, flag in _NAMESPACES:
        descriptor = os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY)
        # A namespace's inode is its identity.
        if os.fstat(descriptor).st_ino != os.stat(f"/proc/self/ns/{name}").st_ino:  # noqa: PTH116 - see below
            differing.append((descriptor, name, flag))
    root = os.open(f"/proc/{pid}/root", os.O_RDONLY | os.O_DIRECTORY)
    theirs, ours = os.fstat(root), os.stat("/")  # noqa: PTH116 - no pathlib after the root directory has changed
    for descriptor, name, flag in differing:
        if libc.setns(descriptor, flag) != 0:
            raise OSError(ctypes.get_errno(), f"setns {name}")
    if (theirs.st_dev, theirs.st_ino) != (ours.st_dev, ours.st_ino):
        os.fchdir(root)
        os.chroot(".")
    os.close(root)
    return any(name == "pid" for _, name, _ in differing)


def _text(path: str) -> str:
    """A file's text, "" where there is none: an image need not have /proc mounted."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - see above
            return file.read()
    except OSError:
        return ""


def _processes() -> dict[int, tuple[str, str]]:
    """Visible pid to command and start time, this program left out."""
    found: dict[int, tuple[str, str]] = {}
    try:
        names = os.listdir("/proc")  # noqa: PTH208 - see above
    except OSError:
        return found
    for name in names:
        if name.isdigit() and int(name) != os.getpid():
            before, _, after = _text(f"/proc/{name}/stat").rpartition(")")
            if after:
                found[int(name)] = (before.partition("(")[2], after.split()[19])
    return found


def _devices() -> int:
    count = 0
    for folder, _, files in os.walk("/dev"):
        for name in files:
            try:
                mode = os.lstat(f"{folder}/{name}").st_mode
            except OSError:
                continue
            count += stat.S_ISCHR(mode) or stat.S_ISBLK(mode)
    return count


def _view(command: str, started: str) -> dict[str, object]:
    processes = _processes()
    flags = next((line for line in _text("/proc/cpuinfo").splitlines() if line.startswith("flags")), "")
    uptime = _text("/proc/uptime").split()
    return {
        "kernel_release": os.uname().release,
        "boot_id": _text("/proc/sys/kernel/random/boot_id").strip() or "unknown",
        "uptime_s": float(uptime[0]) if uptime else time.clock_gettime(time.CLOCK_BOOTTIME),
        "visible_processes": len(processes),
        "sees_host_processes": (command, started) in processes.values(),
        "devices": _devices(),
        "hypervisor_bit": "hypervisor" in flags.split(),
    }


def main(pid: str, command: str, started: str) -> int:
    """Look from the namespaces of ``pid``, and print what is seen."""
    # A pid namespace is only entered by being born in it.
    if _enter(pid) and (child := os.fork()):
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.write(1, json.dumps(_view(command, started)).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
