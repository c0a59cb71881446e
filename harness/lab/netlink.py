"""The way to the kernel's network: pyroute2, imported at its first use, since what only looks at a host needs none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyroute2 import IPRoute, NetNS


def route() -> IPRoute:
    """A connection to the kernel about this process's network namespace. A context manager."""
    from pyroute2 import IPRoute

    return IPRoute()


def inside(namespace: str, *, make: bool = True) -> NetNS:
    """A connection about a named network namespace, or one by its path. A context manager.

    ``make``: it is made where there is none; without it that raises OSError.
    """
    from pyroute2 import NetNS

    return NetNS(namespace) if make else NetNS(namespace, flags=0)


def create(namespace: str) -> None:
    """Make a named network namespace. Raises OSError if there is one."""
    from pyroute2 import netns

    netns.create(namespace)


def remove(namespace: str) -> None:
    """Remove a named network namespace. Raises OSError if there is none."""
    from pyroute2 import netns

    netns.remove(namespace)


def enter(namespace: str) -> None:
    """Put the calling thread into a network namespace. Raises OSError if there is none."""
    from pyroute2 import netns

    netns.setns(namespace, flags=0)


def refusals() -> tuple[type[Exception], ...]:
    """What the kernel's refusals are raised as."""
    from pyroute2.netlink.exceptions import NetlinkError

    return (NetlinkError, OSError)


def code_of(error: Exception) -> int | None:
    """The errno of a refusal by netlink; None of any other error."""
    from pyroute2.netlink.exceptions import NetlinkError

    return int(error.code) if isinstance(error, NetlinkError) else None
