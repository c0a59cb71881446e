"""Installs Debian packages without asking questions."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from harness.errors import BuildError

INSTALL = ("apt-get", "install", "--yes", "--no-install-recommends")
_UPDATE = ("apt-get", "update")
_OPTIONS = ("-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Options::=--force-confold")
_LISTS = Path("/var/lib/apt/lists")
_LIMIT_S = 1800
_LOG_LINES = 15


def install(packages: Sequence[str]) -> None:
    """Install them; recommended packages are left out. Fetches the package lists first where there are none, and again
    if the installation fails with those that are there, which may name versions that the mirror no longer has.

    Raises BuildError with apt's last lines as a note.
    """
    fresh = fetch_lists_if_empty()
    remedy = f"see why by hand: {' '.join((*INSTALL, *packages))}"
    try:
        _run((*INSTALL, *_OPTIONS, *packages), remedy)
    except BuildError:
        if fresh:
            raise
        fetch_lists()
        _run((*INSTALL, *_OPTIONS, *packages), remedy)


def fetch_lists() -> None:
    """Fetch the package lists. Raises BuildError if the mirror does not answer."""
    _run(_UPDATE, "check that the package mirror answers: apt-get update")


def fetch_lists_if_empty() -> bool:
    """Fetch the package lists where there are none; whether they were fetched."""
    if any(_LISTS.glob("*_Packages*")):
        return False
    fetch_lists()
    return True


def _run(command: Sequence[str], remedy: str) -> None:
    environment = {
        **os.environ,
        # dpkg refuses to work without the sbin folders, which the PATH of `su` and of some CI systems lacks.
        "PATH": os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin")),
        "DEBIAN_FRONTEND": "noninteractive",
        "NEEDRESTART_MODE": "l",
        "LC_ALL": "C.UTF-8",
    }
    what = f"{' '.join(command[:2])} failed"
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"{what}: not done after {_LIMIT_S} s", remedy) from error
    # A mirror that does not answer is a warning to apt-get update, which then exits with 0.
    unreachable = command[:2] == _UPDATE and "Failed to fetch" in done.stdout
    if done.returncode != 0 or unreachable:
        failure = BuildError(what, remedy)
        failure.add_note("\n".join(done.stdout.splitlines()[-_LOG_LINES:]))
        raise failure
