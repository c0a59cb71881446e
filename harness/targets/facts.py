"""What a target and an instance tell of themselves: plain data, in bytes where it is memory or disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


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
class InsideView:
    """What the service can see from inside its instance (claims *kernel*, *isolation*, *substrate*).

    ``sees_host_processes``: a process of the harness is visible. ``virtualisation``: what ``systemd-detect-virt`` would
    say of the machine (``kvm``, ``qemu``, ``none``, …). Memory in bytes, as /proc/meminfo reports it there.
    """

    kernel_release: str
    boot_id: str
    uptime_s: float
    visible_processes: int
    sees_host_processes: bool
    devices: int
    hypervisor_bit: bool
    virtualisation: str
    memory_total: int
    memory_available: int


@dataclass(frozen=True, slots=True)
class GuestMemory:
    """Memory in bytes as a guest's own kernel counts it (/proc/meminfo: MemTotal, MemAvailable)."""

    total: int
    available: int


@dataclass(frozen=True, slots=True)
class Footprint:
    """What the packaging occupies on disk, in bytes by part (``image``, ``guest disk``, ``workload disk``, …)."""

    parts: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.parts.values())


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something of ours that outlived its run. ``remove`` is idempotent and raises TareError if it cannot."""

    kind: str
    name: str
    remove: Callable[[], None]
