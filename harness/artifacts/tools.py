"""Runs the programs that builds need, so that none outlives the harness and every failure is a BuildError."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.errors import BuildError, Unavailable

_LOG_LINES = 30
_TIMEOUT_S = 1800
"""Longer than any build on a slow mirror; a program that hangs must not hang the harness."""

_NO_SPACE_TEXT = os.strerror(errno.ENOSPC)


def no_space(where: Path) -> BuildError:
    """The error for a full disk."""
    return BuildError(
        f"no space left on the disk that holds {where}",
        "free some space there, or set TARE_CACHE to a folder on a bigger disk",
    )


def need_space(where: Path, free_bytes: int) -> None:
    """Raise BuildError unless the disk that holds ``where`` has that much free: some programs hang on a full disk."""
    if shutil.disk_usage(where).free < free_bytes:
        raise no_space(where)


def run_tool(
    argv: Sequence[str],
    *,
    where: Path,
    remedy: str,
    env: Mapping[str, str] | None = None,
    own_pids: bool = False,
    inside: bool = False,
) -> str:
    """What the program printed on its standard output.

    ``where`` is the folder that it fills, for the message about a full disk; ``env`` is added to the environment, with
    ``LC_ALL=C.UTF-8``; ``inside`` makes the folder the program's working one. The program is killed when the harness
    dies, even by ``kill -9``; with ``own_pids`` (root only) all its descendants as well, and its mounts go with it.
    Raises Unavailable if it is not installed, and BuildError with its last lines as a note if it fails or is not done
    after half an hour.
    """
    if shutil.which(argv[0]) is None:
        raise Unavailable(f"the program {argv[0]} is not installed", "run: tare provision")
    contained = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"] if own_pids else []
    try:
        done = subprocess.run(
            ["setpriv", "--pdeathsig", "KILL", *contained, *argv],
            env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})},
            cwd=where if inside else None,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as late:
        raise BuildError(f"{argv[0]} was not done after {_TIMEOUT_S // 60} minutes", remedy) from late
    if done.returncode == 0:
        return done.stdout
    log = "\n".join((done.stdout + done.stderr).splitlines()[-_LOG_LINES:])
    error = (
        no_space(where)
        if _NO_SPACE_TEXT in log
        else BuildError(f"{argv[0]} failed with exit status {done.returncode}", remedy)
    )
    error.add_note(log)
    raise error
