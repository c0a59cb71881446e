"""One campaign at a time on a host: two would measure each other."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from harness.errors import Unavailable
from harness.host.paths import run_dir


@contextmanager
def host_lock(purpose: str) -> Iterator[None]:
    """Hold the host for ``purpose``; the kernel frees it when its holder dies.

    Raises Unavailable, naming who holds it.
    """
    path = run_dir() / "lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 200, 0).decode("utf-8", "replace").strip()
            raise Unavailable(
                f"Another run holds this host: {holder or 'unknown'}.",
                "Wait until it has ended: two campaigns would measure each other.",
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{purpose} (pid {os.getpid()})".encode(), 0)
        yield
    finally:
        os.close(descriptor)
