"""What is laid out for a bare process before t0: its network, its root directory, its control group."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from harness.artifacts.api import Artifact
from harness.host.cgroups import detect as cgroup
from harness.host.paths import run_dir
from harness.lab import namespace
from harness.lab.api import LabAddress
from harness.lab.bridged import make_host
from harness.targets.api import Service
from harness.targets.layers import mount, unmount
from harness.units import MIB

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_ANY_ADDRESS = ("0.0.0.0", "::")


def embedded_stage(service: Service, at: LabAddress, _stack: ExitStack) -> tuple[dict[str, Any], None]:
    """Nothing is laid out. A service told to listen on every address listens on the lab's alone, which is loopback."""

    def narrowed(word: str) -> str:
        return str(at.ip) if word in _ANY_ADDRESS else word

    order = {
        "argv": [narrowed(word) for word in service.argv],
        "env": {name: narrowed(value) for name, value in service.env},
        "workdir": service.workdir,
        "user": None,
        "root": None,
        "netns": None,
        "procs_files": [],
        "cpuset": sorted(service.cpuset),
    }
    return order, None


def rooted_stage(service: Service, at: LabAddress, stack: ExitStack) -> tuple[dict[str, Any], cgroup.OwnCgroup]:
    """Lay out all of it; ``stack`` takes it away again. Returns the spawner's order and the group. Raises TareError."""
    host = make_host(at, stack)
    root = _private_root(service.artifact, at.prefix, stack)
    group = stack.enter_context(
        cgroup.OwnCgroup.create(
            at.prefix,
            memory_bytes=service.limits.memory_mib * MIB,
            cpus=service.limits.cpus,
            cpuset=service.cpuset,
        )
    )
    user = service.user
    order = {
        "argv": service.argv,
        "env": dict(service.env),
        "workdir": service.workdir,
        "user": [user.uid, user.gid, list(user.groups)],
        "root": str(root),
        "netns": str(namespace.NETNS_FOLDER / host) if host else None,
        "procs_files": [str(path) for path in group.procs_files],
        "cpuset": None,
    }
    return order, group


def _private_root(artifact: Artifact, prefix: str, stack: ExitStack) -> Path:
    """An overlay over the unpacked tree, with /proc, /sys and the harmless devices that any program may expect."""
    folder = run_dir() / prefix
    for part in ("upper", "work", "root"):
        (folder / part).mkdir(parents=True)
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    root = folder / "root"
    stack.callback(unmount, folder)
    layers = f"lowerdir={artifact.directory},upperdir={folder / 'upper'},workdir={folder / 'work'}"
    mount("overlay", root, kind="overlay", options=layers)
    for name, kind, options in (("proc", "proc", ""), ("sys", "sysfs", "ro"), ("dev", "tmpfs", "mode=755")):
        (root / name).mkdir(exist_ok=True)
        mount(kind, root / name, kind=kind, options=options)
    for device in _DEVICES:
        status = Path("/dev", device).stat()
        os.mknod(root / "dev" / device, 0o666 | 0o020000, status.st_rdev)
        (root / "dev" / device).chmod(0o666)
    for link, to in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        (root / "dev" / link).symlink_to(to)
    (root / "dev" / "shm").mkdir()
    (root / "dev" / "shm").chmod(0o1777)
    (root / "tmp").mkdir(exist_ok=True)
    return root


def disk_usage(folder: Path) -> int:
    """Allocated bytes of a tree, each hard-linked file once (as ``du`` counts)."""
    seen: set[tuple[int, int]] = set()
    total = 0
    for parent, _, files in os.walk(folder):
        for path in (parent, *(os.path.join(parent, file) for file in files)):  # noqa: PTH118 - tens of thousands of paths
            status = os.lstat(path)
            if (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                total += status.st_blocks * 512
    return total
