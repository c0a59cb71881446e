"""Which control group hierarchies this host has, and whether groups can be made in them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from harness.host.cgroups.base import V1_CONTROLLERS, V2_CONTROLLERS, Hierarchies, Hierarchy, Version


def detect(proc: Path = Path("/proc")) -> Hierarchies:
    """The hierarchies that are mounted. Version 1 counts where it has the memory controller (also on hybrid hosts)."""
    v1: dict[str, Hierarchy] = {}
    v2: Hierarchy | None = None
    try:
        lines = (proc / "self" / "mountinfo").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        fields, _, rest = line.partition(" - ")
        root, mount = (_unescaped(field) for field in fields.split()[3:5])
        kind, _, options = rest.split(maxsplit=2)
        # Outside the namespace's root the kernel writes /..; such a mount names groups in a way that we cannot follow.
        if root.startswith("/.."):
            continue
        if kind == "cgroup2" and v2 is None:
            v2 = Hierarchy(Path(mount), root)
        elif kind == "cgroup":
            for controller in options.split(","):
                v1.setdefault(controller, Hierarchy(Path(mount), root))
    version: Version = "1" if "memory" in v1 and "cpuacct" in v1 else "2" if v2 else "none"
    return Hierarchies(version, v1, v2, proc)


@lru_cache(maxsize=1)
def layout() -> Hierarchies:
    """This host's hierarchies, found once."""
    return detect()


def version() -> Version:
    """``1``, ``2`` or ``none``."""
    return layout().version


def obstacle(at: Hierarchies | None = None) -> tuple[str, str] | None:
    """Why we cannot make groups here and the command that fixes it, or None where we can. Never raises."""
    at = at or layout()
    if at.version == "none":
        return "no control group file system is mounted", "sudo mount -t cgroup2 none /sys/fs/cgroup"
    if os.geteuid() != 0:
        return "only root may make control groups at the root of their hierarchy", "run the same command with sudo -E"
    if at.version == "1":
        for controller in V1_CONTROLLERS:
            if controller not in at.v1:
                folder = f"/sys/fs/cgroup/{controller}"
                fix = f"sudo mkdir -p {folder} && sudo mount -t cgroup -o {controller} none {folder}"
                return f"the control group controller {controller} is not mounted", fix
    elif at.v2 is not None:
        try:
            present = (at.v2.mount / "cgroup.controllers").read_text().split()
        except OSError:
            present = []
        missing = [controller for controller in V2_CONTROLLERS if controller not in present]
        if missing:
            fix = "boot with cgroup_enable=memory; in a container, start it with --privileged --cgroupns=host"
            return f"the control group hierarchy {at.v2.mount} lacks: {', '.join(missing)}", fix
    for mount in mounts(at):
        if not os.access(mount, os.W_OK):
            return f"the control group hierarchy {mount} is not writable", f"sudo mount -o remount,rw {mount}"
    return None


def writable() -> bool:
    """Whether we can make groups here."""
    return obstacle() is None


def mounts(at: Hierarchies) -> Sequence[Path]:
    """Where the hierarchies that we make groups in are mounted, each once."""
    if at.version == "1":
        return list(dict.fromkeys(at.v1[controller].mount for controller in V1_CONTROLLERS if controller in at.v1))
    return [at.v2.mount] if at.v2 is not None else []


def _unescaped(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
