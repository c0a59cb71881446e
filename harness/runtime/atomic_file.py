"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to, which becomes ``path`` at the end, on the disk. A failure leaves neither."""
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        descriptor = os.open(partial, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        partial.replace(path)
    except BaseException:
        # After an interruption as well nothing half-written stays.
        partial.unlink(missing_ok=True)
        raise
