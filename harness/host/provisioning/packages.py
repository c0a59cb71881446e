"""What Tare needs from the system's packages, recognised by what a package provides, whoever installed it."""

from __future__ import annotations

import sysconfig
from dataclasses import dataclass
from pathlib import Path

from harness.host.facts import HostFacts


@dataclass(frozen=True, slots=True)
class Need:
    """A Debian package, and why it is needed."""

    package: str
    why: str


_TOOLS = (
    # The first tool of each line that is missing stands for its package.
    ("libvirt-daemon-system", "the vm target", ("libvirtd", "virtlogd")),
    ("libvirt-clients", "looking at guests by hand", ("virsh",)),
    ("qemu-system-x86", "the vm target", ("qemu-system-x86_64",)),
    ("qemu-utils", "the vm target's disks", ("qemu-img",)),
    ("pkg-config", "building libvirt-python", ("pkg-config",)),
    ("gcc", "building libvirt-python", ("gcc",)),
    ("iproute2", "the lab's network", ("ip", "tc")),
    ("iptables", "the lab's network", ("iptables",)),
    ("mmdebstrap", "root file systems", ("mmdebstrap",)),
    ("cpio", "initial RAM file systems", ("cpio",)),
    ("busybox-static", "initial RAM file systems", ("busybox",)),
    ("e2fsprogs", "workload disks", ("mke2fs", "e2fsck")),
    ("util-linux", "namespaces", ("nsenter", "unshare", "setpriv")),
    ("mount", "workload disks", ("mount", "losetup")),
    ("tar", "root file systems", ("tar",)),
)
_LIBC_HEADER = Path("/usr/include/stdlib.h")
_LIBVIRT_HEADER = Path("/usr/include/libvirt/libvirt.h")
_BROWSER = ("chromium", "chromium-browser", "google-chrome")


def missing(facts: HostFacts, *, for_tests: bool = False) -> list[Need]:
    """The packages that this host lacks. ``for_tests`` adds what only they need: a browser, and npm."""
    needs: list[Need] = []
    if facts.docker.version is None and "dockerd" not in facts.tools:
        needs.append(Need("docker.io", "the container target"))
    for package, why, tools in _TOOLS:
        if any(tool not in facts.tools for tool in tools):
            needs.append(Need(package, why))
    if not _LIBC_HEADER.exists():
        needs.append(Need("libc6-dev", "building libvirt-python"))
    if not _LIBVIRT_HEADER.exists():
        needs.append(Need("libvirt-dev", "building libvirt-python"))
    if not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        # Debian's interpreter keeps its headers in a package of its own; others bring them along.
        needs.append(Need(f"python{sysconfig.get_python_version()}-dev", "building libvirt-python"))
    if for_tests and not any(browser in facts.tools for browser in _BROWSER):
        needs.append(Need("chromium", "the tests of the report"))
    if for_tests and "npm" not in facts.tools:
        needs.append(Need("npm", "building the shop's service in Node"))
    return needs
