"""What a guest runs before its own operating system: load virtio, set the address, mount both disks, hand over.

The address is set here, without DHCP, so that the network is up before the guest's operating system is. Without a
launch's own files (see ``LAUNCH``) the guest says that it has reached user space and powers off: that is the probe.
"""

from __future__ import annotations

import lzma
from collections.abc import Mapping
from pathlib import Path

from harness.errors import BuildError
from harness.host.guest.cpio import Entry, folder, link, newc, program

USER_SPACE = "tare: user space"
"""What the guest prints on its console as its first act in user space."""

FAILED = "tare: failed: "
"""Begins the line that says which step before the hand-over failed; the guest then powers off."""

LAUNCH = "tare"
"""The folder of a launch's own files: ``network`` (IP= and PREFIX=), ``units/`` for /run/systemd/system, and what is
added to the guest's ``passwd`` and ``group``."""

WORKLOAD = "/run/tare/workload"
"""Where the workload disk is mounted in the guest."""

LOG = "/run/tare/log"
"""The pipe that is the service's standard output and error, as a container's is a pipe."""

WANTED = ("virtio_pci", "virtio_blk", "virtio_net", "virtio_console", "ext4")

_APPLETS = ("sh", "mount", "insmod", "ip", "switch_root", "mkdir", "mkfifo", "cp", "cat", "poweroff", "chmod")

_INIT = f"""#!/bin/sh
mount -t devtmpfs dev /dev
exec </dev/console >/dev/console 2>&1
echo "{USER_SPACE}"
fail() {{ echo "{FAILED}$1"; poweroff -f; }}
[ -r /{LAUNCH}/network ] || poweroff -f
while read -r module; do insmod "/modules/$module.ko" || fail "module $module"; done </modules/order
. /{LAUNCH}/network
ip address add "$IP/$PREFIX" brd + dev eth0 && ip link set eth0 up || fail "network"
mount -t ext4 -o rw /dev/vda /guest || fail "guest disk"
mount -t tmpfs -o mode=755,nosuid,nodev run /run
mkdir -p /run/systemd/system {WORKLOAD}
mkfifo {LOG} && chmod 666 {LOG} || fail "log"
cp -R /{LAUNCH}/units/. /run/systemd/system/ || fail "units"
cat /{LAUNCH}/passwd >>/guest/etc/passwd && cat /{LAUNCH}/group >>/guest/etc/group || fail "user"
mount -t ext4 -o rw /dev/vdb {WORKLOAD} || fail "workload disk"
mount --move /run /guest/run && mount --move /dev /guest/dev || fail "move"
exec switch_root /guest /lib/systemd/systemd
"""


def initrd(busybox: bytes, modules: Mapping[str, bytes]) -> bytes:
    """The archive, uncompressed because an emulated guest would unpack it slowly. ``modules`` in loading order."""
    entries = [folder(name) for name in ("bin", "dev", "run", "guest", "modules")]
    entries += [program("init", _INIT.encode()), program("bin/busybox", busybox)]
    entries += [link(f"bin/{applet}", "busybox") for applet in _APPLETS]
    entries += [Entry(f"modules/{name}.ko", data) for name, data in modules.items()]
    entries.append(Entry("modules/order", "".join(f"{name}\n" for name in modules).encode()))
    return newc(entries)


def needed_modules(folder_of_release: Path) -> dict[str, bytes]:
    """The modules that ``WANTED`` needs, in loading order; those built into the kernel are left out.

    ``folder_of_release`` is /lib/modules/<release>. Raises BuildError if the kernel lacks one.
    """
    builtin = {_plain(line) for line in (folder_of_release / "modules.builtin").read_text().splitlines()}
    files = {_plain(path.name): path for path in sorted(folder_of_release.rglob("*.ko*"))}
    loaded: dict[str, bytes] = {}

    def load(name: str) -> None:
        if name in loaded or name in builtin:
            return
        if name not in files:
            raise BuildError(
                f"the guest kernel {folder_of_release.name} has no module {name}", "run: apt-get update; then try again"
            )
        data = _read(files[name])
        for dependency in dependencies(data):
            load(dependency)
        loaded[name] = data

    for name in WANTED:
        load(name)
    return loaded


def dependencies(module: bytes) -> list[str]:
    """The names of the modules that this one needs, as its ``.modinfo`` says."""
    _, found, rest = module.partition(b"\0depends=")
    return [_plain(name) for name in rest.partition(b"\0")[0].decode().split(",") if name] if found else []


def _plain(path: str) -> str:
    return path.rpartition("/")[2].partition(".")[0].replace("-", "_")


def _read(path: Path) -> bytes:
    data = path.read_bytes()
    if path.suffix == ".ko":
        return data
    if path.suffix == ".xz":
        return lzma.decompress(data)
    raise BuildError(f"the module {path.name} is packed in a way that is not known", "use Debian 12 or 13's kernel")
