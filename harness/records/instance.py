"""What is known of one instance of a deployment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from harness.records.memory import MemoryView
from harness.records.startup import Startup
from harness.records.window import Cpu


@dataclass(frozen=True, slots=True, kw_only=True)
class InsideView:
    """What a service can see from inside its instance (claims *kernel*, *isolation*, *substrate*).

    ``sees_host_processes``: a process of the harness is visible. ``virtualisation``: what ``systemd-detect-virt`` would
    say of the machine (``kvm``, ``qemu``, ``none``, …).
    """

    kernel_release: str
    boot_id: str
    uptime_s: float
    visible_processes: int
    sees_host_processes: bool
    devices: int
    hypervisor_bit: bool
    virtualisation: str


@dataclass(frozen=True, slots=True)
class Footprint:
    """What packagings occupy on disk, in bytes by part (``image``, ``guest disk``, ``workload disk``, …)."""

    parts: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.parts.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Digests:
    """What was to be deployed, and what was, recomputed from the packaging of what ran."""

    expected: str
    observed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceRecord:
    """One instance of a deployment: a service's, one of several replicas', or the proxy's.

    ``name`` is unique in the deployment (``payments``, ``svc-2``, ``proxy``), ``service`` is what it is an instance of.
    ``trigger_after_ns`` is when it was asked for, since the first trigger of all; ``startup`` counts from its own.
    """

    name: str
    service: str
    role: Literal["service", "proxy"] = "service"
    target: str
    accelerator: str = "none"
    limits_enforced: bool = True
    trigger_after_ns: int = 0
    startup: Startup | None = None
    memory_idle: MemoryView | None = None
    memory_load: MemoryView | None = None
    cpu: Cpu | None = None
    digests: Digests | None = None
