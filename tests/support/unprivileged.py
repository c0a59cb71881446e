"""Commands as a user without any right, on a host whose tests run as root."""

from __future__ import annotations

import shlex
import stat
import sys
from pathlib import Path

from tests.support.command import ROOT

UID = 65534
_FIRST_DESCRIPTOR = 3


def as_nobody(*own: Path) -> list[str]:
    """Words to put before a command, so that it runs as that user, who can read this interpreter and this checkout.

    Where they, or the ``own`` folders, lie below a folder that is closed to others (such as /root), that folder is
    replaced by one that holds nothing but them, in a mount namespace of the command's own: the host stays as it is.
    """
    needed = {path.resolve() for path in (Path(sys.base_prefix), Path(sys.prefix), ROOT, *own)}
    closed = {path: top for path in sorted(needed) if (top := _topmost_closed(path)) is not None}
    descriptors = dict(zip(closed, range(_FIRST_DESCRIPTOR, 10), strict=False))
    assert len(descriptors) == len(closed), "a shell has one-digit descriptors only"
    lines = ["set -e", "umask 022"]
    lines += [f"exec {number}<{shlex.quote(str(path))}" for path, number in descriptors.items()]
    lines += [f"mount -t tmpfs -o mode=755 none {shlex.quote(str(top))}" for top in sorted(set(closed.values()))]
    for path, number in descriptors.items():
        place = shlex.quote(str(path))
        lines += [f"mkdir -p {place}", f"mount --no-canonicalize --bind /proc/self/fd/{number} {place}"]
    lines += [f"exec {number}<&-" for number in descriptors.values()]
    user = f"--reuid={UID} --regid={UID} --clear-groups --bounding-set=-all --no-new-privs"
    lines += [f"cd {shlex.quote(str(ROOT))}", f'exec setpriv {user} "$@"']
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", "\n".join(lines), "sh"]


def _topmost_closed(path: Path) -> Path | None:
    """The first folder on the way to ``path`` that others may not go through."""
    above = [*reversed(path.parents)]
    return next((folder for folder in above if not folder.stat().st_mode & stat.S_IXOTH), None)
