"""What the kernel refuses, in Tare's own words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from harness.errors import DeployError
from harness.lab import netlink


@contextmanager
def kernel_errors(what: str) -> Iterator[None]:
    """Raise DeployError that begins with ``what`` for whatever the kernel refuses meanwhile."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, (*netlink.refusals(), ValueError)):
            raise
        raise DeployError(f"{what}: {error}.", "Remove what an earlier run left: tare sweep") from error
