"""The connection to libvirt. The library is an optional extra, so it is imported only where it is used."""

from __future__ import annotations

import contextlib
import os
import pwd
import stat
from pathlib import Path
from typing import Any

from harness.errors import DeployError, Unavailable
from harness.targets.vm.domain import MARK

URI = "qemu:///system"
_FIX = "run: tare provision"
_LOG_FOLDER = Path("/var/log/libvirt/qemu")
_LOG_LINES = 20


def connect() -> Any:
    """An open ``virConnect``; the library has no types. Raises Unavailable without the library or the daemon."""
    try:
        import libvirt
    except ImportError as error:
        raise Unavailable("the Python package libvirt-python is not installed", _FIX) from error
    # Without a handler the library prints every error on standard error, also the expected ones.
    libvirt.registerErrorHandler(_quiet, None)
    try:
        return libvirt.open(URI)
    except libvirt.libvirtError as error:
        raise Unavailable(f"libvirt does not answer at {URI}: {error}", _FIX) from error


def _quiet(_context: object, _error: object) -> None:
    return None


def kvm_obstacle(owner: tuple[int, int], device: Path = Path("/dev/kvm")) -> str:
    """Why QEMU's user may not open ``device``, or nothing if it may or there is none.

    libvirt 9.0 then takes its knowledge of QEMU for outdated at every look and gathers it anew: seconds each time,
    more than a minute per machine, emulated ones too. Hosts with udev give the device to the group ``kvm``.
    """
    if not device.exists():
        return ""
    uid, gid = owner
    status = device.stat()
    try:
        account = pwd.getpwuid(uid)
        groups = {gid, *os.getgrouplist(account.pw_name, account.pw_gid)}
    except KeyError:
        groups = {gid}
    if uid == status.st_uid:
        bits = stat.S_IRUSR | stat.S_IWUSR
    elif status.st_gid in groups:
        bits = stat.S_IRGRP | stat.S_IWGRP
    else:
        bits = stat.S_IROTH | stat.S_IWOTH
    if uid == 0 or status.st_mode & bits == bits:
        return ""
    return f"QEMU's user may not open {device}, and libvirt examines QEMU anew, for a minute, before each machine"


def domain_names(prefix: str) -> list[str]:
    """Our domains whose names begin with ``prefix``, running or not."""
    with contextlib.closing(connect()) as connection:
        return sorted(
            name for each in connection.listAllDomains() if (name := each.name()).startswith(prefix) and _is_ours(each)
        )


def _is_ours(domain: Any) -> bool:
    import libvirt

    try:
        domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, MARK)
    except libvirt.libvirtError:
        return False  # without our mark, or gone meanwhile
    return True


def destroy(name: str) -> None:
    """End the domain of that name and remove what libvirt knows of it. Idempotent. Raises DeployError."""
    import libvirt

    try:
        with contextlib.closing(connect()) as connection:
            domain = connection.lookupByName(name)
            if domain.isPersistent():
                domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)
            if domain.isActive():
                domain.destroy()
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
            raise DeployError(f"the virtual machine {name} cannot be stopped: {error}", "see: virsh list") from error


def take_log(name: str, scratch: Path) -> str:
    """Move QEMU's log of a domain that has ended to ``scratch``; its last lines."""
    log = _LOG_FOLDER / f"{name}.log"
    if not log.exists():
        return ""
    text = log.read_text("utf-8", "replace")
    (scratch / "qemu.log").write_text(text, "utf-8")
    log.unlink(missing_ok=True)
    return "\n".join(text.splitlines()[-_LOG_LINES:])


def qemu_pid(name: str, proc: Path = Path("/proc")) -> int | None:
    """The process that runs the domain, by its own command line."""
    mark = f"guest={name},".encode()
    for entry in proc.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # it ended meanwhile
        if b"qemu" in os.path.basename(words[0]) and any(word.startswith(mark) for word in words):  # noqa: PTH119 - bytes
            return int(entry.name)
    return None
