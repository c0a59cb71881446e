"""The tree that a running instance was packaged from, found from the running instance itself.

A process and a container write into a private upper layer of an overlay; what they were packaged from are the layers
below it, which the kernel names in the instance's own mount table.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import DeployError
from harness.host.paths import run_dir


def lower_layers(pid: int, proc: Path = Path("/proc")) -> tuple[str, ...]:
    """The read-only layers below the root of ``pid``, topmost first; empty if its root is not an overlay.

    Raises DeployError if the process is gone.
    """
    try:
        table = (proc / str(pid) / "mountinfo").read_text()
    except OSError as error:
        raise DeployError(
            f"Process {pid} ended before its root could be looked at.", "Look at the instance's logs."
        ) from error
    for line in table.splitlines():
        left, _, right = line.partition(" - ")
        file_system, _, options = right.split(" ", 2)
        if left.split()[4] == "/" and file_system == "overlay":
            return _lowers(options)
    return ()


@contextmanager
def packaged_tree(pid: int) -> Iterator[Path]:
    """A read-only view of that tree, for as long as the context lasts. Raises DeployError."""
    layers = lower_layers(pid)
    if not layers:
        yield Path(f"/proc/{pid}/root")
        return
    if len(layers) == 1:
        yield Path(layers[0])
        return
    view = Path(tempfile.mkdtemp(prefix="tare-view-", dir=run_dir()))
    try:
        mount("overlay", view, kind="overlay", options=f"ro,lowerdir={':'.join(layers)}")
        try:
            yield view
        finally:
            unmount(view)
    finally:
        view.rmdir()


def mount(source: str, at: Path, *, kind: str | None = None, options: str = "") -> None:
    """Mount, or raise DeployError with what the kernel said."""
    words = ["mount", *(("-t", kind) if kind else ()), *(("-o", options) if options else ()), source, str(at)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode != 0:
        raise DeployError(
            f"`{' '.join(words)}` failed: {done.stderr.strip()}.",
            "Check that this user may mount, and the disk's space.",
        )


def unmount(at: Path) -> None:
    """Unmount, with everything mounted below; a busy mount is detached. Nothing happens if nothing is mounted."""
    for mounted in mounts_below(at):
        subprocess.run(["umount", "-l", mounted], capture_output=True, timeout=30, check=False)


def mounts_below(folder: Path) -> list[str]:
    """The mount points at and below ``folder``, deepest first."""
    inside = str(folder)
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = line.split()[4].replace("\\040", " ")
        if point == inside or point.startswith(inside + "/"):
            found.append(point)
    return sorted(found, key=len, reverse=True)


def _lowers(options: str) -> tuple[str, ...]:
    """Both spellings of the kernel: one list, or (the newer mount interface) one option per layer."""
    layers: list[str] = []
    for option in options.split(","):
        name, _, value = option.partition("=")
        if name in ("lowerdir", "lowerdir+"):
            layers += value.split(":")
    return tuple(layers)
