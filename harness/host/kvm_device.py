"""The permission of ``/dev/kvm``: where no udev gave it to the group ``kvm``, QEMU's own user cannot open it.

libvirt 9.0 then takes its knowledge of QEMU for outdated and gathers it anew before each machine, emulated ones too,
which took 68 s where it was seen.
"""

from __future__ import annotations

import grp
import os
from pathlib import Path

from harness.errors import Unavailable

DEVICE = Path("/dev/kvm")
GROUP = "kvm"
"""QEMU's Debian package makes this group, and libvirt's puts QEMU's user in it."""

FIX = f"chgrp {GROUP} {DEVICE} && chmod 660 {DEVICE}"


def needs_permission() -> bool:
    """Whether there is a device that neither everybody nor the group ``kvm`` may open."""
    try:
        status = DEVICE.stat()
    except OSError:
        return False
    if status.st_mode & 0o006 == 0o006:
        return False
    return status.st_gid != _group_id() or status.st_mode & 0o060 != 0o060


def permit() -> None:
    """What ``FIX`` does, if it is needed. Raises Unavailable if there is no group ``kvm`` or it is not allowed."""
    if not needs_permission():
        return
    group = _group_id()
    if group is None:
        raise Unavailable(f"this host has no group {GROUP}, which may open {DEVICE}", f"groupadd --system {GROUP}")
    try:
        os.chown(DEVICE, -1, group)
        DEVICE.chmod(0o660)
    except OSError as error:
        raise Unavailable(f"{DEVICE} cannot be given to the group {GROUP}: {error.strerror}", FIX) from error


def _group_id() -> int | None:
    try:
        return grp.getgrnam(GROUP).gr_gid
    except KeyError:
        return None
