"""The guest kernel: Debian's own for virtual machines, fetched once without being installed on the host.

It comes from the host's package sources (``apt-get download``), with a static busybox for the initial RAM file system.
The kernel is used as Debian ships it. An uncompressed one booted by PVH was 0.25 s faster under emulation, of about
10 s to the first response: not worth a kernel that nobody else runs.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import BuildError, Unavailable
from harness.host.guest import initrd as guest_initrd
from harness.host.paths import cache_dir

_PACKAGE = "linux-image-cloud-amd64"
_BUSYBOX = "busybox-static"
_BUILDER = 2
_LOG_LINES = 20
_NETWORK_LIMIT_S = 600


@dataclass(frozen=True, slots=True)
class GuestKernel:
    """A kernel and its initial RAM file system. ``modules`` are those in it, in loading order. ``version`` is the
    package's, with its name."""

    kernel: Path
    initrd: Path
    release: str
    modules: tuple[str, ...]
    version: str

    @property
    def modules_tree(self) -> Path:
        """All the modules of this kernel, as a folder that belongs at /lib/modules/<release>."""
        return self.kernel.parent / "modules" / self.release

    @property
    def key(self) -> str:
        """Names this kernel and initial RAM file system."""
        return self.kernel.parent.name


def guest_kernel() -> GuestKernel:
    """The guest kernel, fetched at the first call. An interrupted build leaves nothing half made.

    Raises Unavailable on a host that cannot fetch it, BuildError if fetching or unpacking fails.
    """
    if found := guest_kernel_if_built():
        return found
    entry = _entry()
    if platform.machine() != "x86_64":
        raise Unavailable(f"there is no guest kernel for {platform.machine()}", "use an x86_64 host for the vm target")
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise Unavailable(f"{tool}, which fetches the guest kernel, is missing", "use Debian for the vm target")
    with entry.with_name(f".{entry.name}.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not entry.exists():
            workspace = entry.with_name(f".{entry.name}.partial")
            shutil.rmtree(workspace, ignore_errors=True)
            try:
                _build(workspace)
                workspace.rename(entry)
            except OSError as error:
                raise BuildError(
                    f"the guest kernel could not be kept in {entry.parent}: {error}",
                    "free some space there, or set TARE_CACHE to a folder on a bigger disk",
                ) from error
            finally:
                shutil.rmtree(workspace, ignore_errors=True)
    return _read(entry)


def guest_kernel_if_built() -> GuestKernel | None:
    """The guest kernel if an earlier call has fetched it."""
    return _read(_entry()) if _entry().exists() else None


def _entry() -> Path:
    inputs = json.dumps([_BUILDER, _PACKAGE, _BUSYBOX, guest_initrd.initrd(b"", {}).hex(), guest_initrd.WANTED])
    return cache_dir() / f"guest-kernel-{hashlib.sha256(inputs.encode()).hexdigest()[:12]}"


def _read(entry: Path) -> GuestKernel:
    facts = json.loads((entry / "kernel.json").read_text("utf-8"))
    return GuestKernel(entry / "vmlinuz", entry / "initrd", facts["release"], tuple(facts["modules"]), facts["version"])


def _build(workspace: Path) -> None:
    packages = workspace / "packages"
    packages.mkdir(mode=0o755, parents=True)
    concrete = concrete_package(_run(["apt-cache", "depends", "--important", _PACKAGE], packages))
    _run(["apt-get", "download", concrete, _BUSYBOX], packages)
    tree = workspace / "tree"
    versions = []
    for package in sorted(packages.glob("*.deb")):
        _run(["dpkg-deb", "-x", str(package), str(tree)], packages)
        versions.append(package.stem)
    release = concrete.removeprefix("linux-image-")
    modules_tree = next((path for path in tree.glob(f"*/modules/{release}")), None) or next(
        tree.glob(f"usr/lib/modules/{release}"), None
    )
    if modules_tree is None:
        raise BuildError(f"the package {concrete} holds no modules", "run: apt-get update; then try again")
    modules = guest_initrd.needed_modules(modules_tree)
    busybox = next(path for path in (tree / "bin/busybox", tree / "usr/bin/busybox") if path.exists())
    (workspace / "initrd").write_bytes(guest_initrd.initrd(busybox.read_bytes(), modules))
    (tree / f"boot/vmlinuz-{release}").rename(workspace / "vmlinuz")
    (workspace / "modules").mkdir()
    modules_tree.rename(workspace / "modules" / release)
    version = next(name for name in versions if name.startswith(concrete))
    facts = {"release": release, "version": version, "modules": list(modules), "packages": versions}
    (workspace / "kernel.json").write_text(json.dumps(facts, indent=2) + "\n", "utf-8")
    for path in (workspace / "vmlinuz", workspace / "initrd"):
        path.chmod(0o644)
    shutil.rmtree(tree)
    shutil.rmtree(packages)
    workspace.chmod(0o755)


def concrete_package(depends: str) -> str:
    """The package with the kernel itself, from what ``apt-cache depends`` says of the one that names the newest."""
    for line in depends.splitlines():
        kind, _, name = line.strip().partition(": ")
        if kind == "Depends" and name.startswith("linux-image-"):
            return name
    raise Unavailable(
        f"this host's package sources do not offer {_PACKAGE}", "run: apt-get update; it needs Debian's package sources"
    )


def _run(argv: Sequence[str], where: Path) -> str:
    try:
        done = subprocess.run(
            argv,
            cwd=where,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_NETWORK_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BuildError(
            f"{argv[0]} took longer than {_NETWORK_LIMIT_S} s", "check that the Debian mirror answers"
        ) from error
    if done.returncode != 0:
        failure = BuildError(
            f"the guest kernel could not be fetched: {' '.join(argv[:2])} failed", "run: apt-get update; then try again"
        )
        failure.add_note("\n".join((done.stdout + done.stderr).splitlines()[-_LOG_LINES:]))
        raise failure
    return done.stdout
