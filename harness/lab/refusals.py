"""What the kernel refuses, in Tare's own words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pyroute2.netlink.exceptions import NetlinkError

from harness.errors import DeployError


@contextmanager
def told(what: str) -> Iterator[None]:
    """Raise DeployError that begins with ``what`` for whatever the kernel refuses meanwhile."""
    try:
        yield
    except (NetlinkError, OSError, ValueError) as error:
        raise DeployError(f"{what}: {error}.", "Remove what an earlier run left: tare sweep") from error
