"""The artifact cache: an entry is either complete or not there.

An entry is made in a hidden workspace beside it and renamed into place, under a lock of its own that the kernel drops
when its holder dies. So a build that was killed, even by ``kill -9``, leaves no half-made entry, two builders of one
entry do the work once, and the next use removes what a dead one left.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.artifacts.tools import no_space
from harness.errors import BuildError
from harness.host.paths import cache_dir

_WORKSPACE = ".partial"
_LOCK = ".lock"


def artifacts_dir() -> Path:
    """The folder of all artifacts."""
    return cache_dir() / "artifacts"


def materialise(path: Path, make: Callable[[Path], Path]) -> Path:
    """``path``, which ``make`` builds if it is not there.

    ``make`` gets an empty workspace on the same file system and returns what it built inside, a file or a folder,
    which then becomes ``path`` in one step. Whatever else is in the workspace is removed. Waits for another process
    that is building the same path. Raises BuildError for a full disk or an unwritable cache, and what ``make`` raises.
    """
    if path.exists():
        return path
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        _remove_stale(path.parent)
        with _locked(path):
            if not path.exists():
                _build(path, make)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise no_space(path.parent) from error
        raise BuildError(
            f"could not write to the cache folder {path.parent}: {error}",
            "make it writable, or set TARE_CACHE to a folder that is",
        ) from error
    return path


def _build(path: Path, make: Callable[[Path], Path]) -> None:
    workspace = _beside(path, _WORKSPACE)
    _remove(workspace)
    try:
        workspace.mkdir(mode=0o755)
        make(workspace).rename(path)
    finally:
        _remove(workspace)


def _remove_stale(folder: Path) -> None:
    """Remove the workspaces of builders that are dead: those whose lock is free."""
    for workspace in folder.glob(f".*{_WORKSPACE}"):
        name = workspace.name.removeprefix(".").removesuffix(_WORKSPACE)
        with _lock_if_free(_beside(folder / name, _LOCK)) as free:
            if free:
                _remove(workspace)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with _beside(path, _LOCK).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _lock_if_free(lock_path: Path) -> Iterator[bool]:
    with lock_path.open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(f".{path.name}{suffix}")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        # A tree may hold folders that their owner cannot write to; root does not care, others must open them first.
        if os.geteuid() != 0:
            for folder, _, _ in os.walk(path):
                Path(folder).chmod(0o700)
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
