"""What a target tells of itself and of what it left behind: plain data. What is measured is in harness.records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a target can be used on this host; if not, why, and the exact command that fixes it."""

    usable: bool
    reason: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True)
class InstanceProcess:
    """A host process that exists because of the instance.

    ``role``: ``app`` (the service's own), ``shim`` (containerd-shim), ``proxy`` (docker-proxy), ``vmm`` (QEMU),
    ``helper`` (anything else).
    """

    pid: int
    role: str
    name: str


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something of ours that outlived its run. ``remove`` is idempotent and raises TareError if it cannot."""

    kind: str
    name: str
    remove: Callable[[], None]
