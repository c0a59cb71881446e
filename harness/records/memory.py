"""Memory at one moment, in bytes."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class CgroupMemory:
    """What a control group and its descendants are charged.

    ``file`` includes shared memory. ``current`` is the total that the limit applies to. ``peak`` is its highest value
    since the group was made, or None where the kernel does not tell (v2 before Linux 5.19).
    """

    anon: int
    file: int
    kernel: int
    page_tables: int
    current: int
    peak: int | None = None


@dataclass(frozen=True, slots=True)
class GuestMemory:
    """Memory as a guest's own kernel counts it (/proc/meminfo: MemTotal, MemAvailable)."""

    total: int
    available: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryView:
    """The ledger at one moment. ``pss`` is by role (``app``, ``shim``, ``proxy``, ``vmm``, ``helper``).

    ``guest_ram_touched`` and ``emulator_cache`` are parts of ``pss["vmm"]``: the guest's RAM that is resident, and
    QEMU's translation cache. ``engine_growth`` is by daemon, since before the launch. ``guest``: its own view.
    """

    pss: dict[str, int]
    cgroup: CgroupMemory | None = None
    engine_growth: dict[str, int] = field(default_factory=dict)
    guest_ram_touched: int | None = None
    emulator_cache: int | None = None
    guest: GuestMemory | None = None
