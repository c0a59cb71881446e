"""The guest disk: a Debian guest with systemd, built once, and the read-only backing file of every virtual machine.

A virtual machine is a guest operating system plus the workload. This is the former; nothing of a workload and nothing
of a trial is in it, and nobody can log in.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path

from harness.artifacts.builders import guest_system
from harness.artifacts.builders.debian import SOURCE_DATE_EPOCH, bootstrap, package_versions
from harness.artifacts.cache import materialise
from harness.artifacts.tools import run_tool
from harness.artifacts.tree import add_mount_points, scrub
from harness.errors import Unavailable
from harness.host.guest.kernel import GuestKernel, guest_kernel
from harness.host.paths import cache_dir
from harness.units import MIB

SUITE = "bookworm"
LABEL = "tare-guest"

_BUILDER = 1
_SIZE_MIB = 1024
"""The disk's size for the guest; the file is sparse."""

_NAMESPACE = uuid.UUID("2d1e3c52-3c0b-4c3e-9a57-0d6e4ab35c1f")
_REMEDY = "run: tare provision; then try again"


@dataclass(frozen=True, slots=True)
class GuestDisk:
    """A raw ext4 image that must only ever be a backing file, the kernel that boots it, and what is installed in it.

    ``footprint`` is the bytes that the image really occupies, ``kernel_footprint`` those of kernel and initial RAM
    file system.
    """

    path: Path
    kernel: Path
    initrd: Path
    release: str
    footprint: int
    kernel_footprint: int
    packages: dict[str, str]


def guest_disk() -> GuestDisk:
    """The guest disk and its kernel, built at the first call (about a minute). Atomic.

    Raises Unavailable without root or mmdebstrap, BuildError for the rest.
    """
    if os.geteuid() != 0:
        raise Unavailable("building the guest disk needs root", "run it with sudo")
    kernel = guest_kernel()
    inputs = json.dumps([_BUILDER, SUITE, kernel.version, _SIZE_MIB, guest_system.fingerprint()])
    key = hashlib.sha256(inputs.encode()).hexdigest()[:12]
    entry = materialise(cache_dir() / f"guest-disk-{key}", lambda workspace: _make(workspace, kernel, key))
    image = entry / "guest.ext4"
    return GuestDisk(
        path=image,
        kernel=kernel.kernel,
        initrd=kernel.initrd,
        release=kernel.release,
        footprint=image.stat().st_blocks * 512,
        kernel_footprint=kernel.kernel.stat().st_size + kernel.initrd.stat().st_size,
        packages=json.loads((entry / "packages.json").read_text("utf-8")),
    )


def _make(workspace: Path, kernel: GuestKernel, key: str) -> Path:
    tree = workspace / "tree"
    bootstrap(SUITE, guest_system.PACKAGES, tree)
    modules = tree / "usr/lib/modules" / kernel.release
    shutil.copytree(kernel.modules_tree, modules, symlinks=True)
    run_tool(["chroot", str(tree), "depmod", kernel.release], where=workspace, remedy=_REMEDY, own_pids=True)
    packages = package_versions(tree)
    scrub(tree)
    add_mount_points(tree)
    guest_system.configure(tree)
    entry = workspace / "entry"
    entry.mkdir(mode=0o755)
    image = entry / "guest.ext4"
    with image.open("wb") as file:
        file.truncate(_SIZE_MIB * MIB)
    identity = uuid.uuid5(_NAMESPACE, key)
    run_tool(
        [
            *("mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", "-L", LABEL, "-U", str(identity)),
            *("-E", f"hash_seed={identity},root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0"),
            *("-d", str(tree), str(image)),
        ],
        where=workspace,
        remedy=_REMEDY,
        env={"E2FSPROGS_FAKE_TIME": str(SOURCE_DATE_EPOCH), "SOURCE_DATE_EPOCH": str(SOURCE_DATE_EPOCH)},
    )
    image.chmod(0o444)
    (entry / "packages.json").write_text(json.dumps(packages, indent=2) + "\n", "utf-8")
    return entry
