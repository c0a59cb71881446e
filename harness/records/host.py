"""The machine that was measured on."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFacts:
    """What a machine is. Memory in bytes. A value that the host does not tell is "unknown", never guessed."""

    hostname: str
    kernel: str
    boot_id: str
    cpu_model: str
    memory_total: int
    swap_total: int
    cgroup_version: str
    governor: str
    turbo: str
    smt: str
    virtualisation: str
    ksm: str
    thp: str
    root: bool
    process_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRecord(MachineFacts):
    """The machine, once per campaign."""

    os: str
    cpus: int
    accelerator: str
    accelerator_reason: str
    engines: dict[str, str] = field(default_factory=dict)
    """``docker``, ``libvirt``, ``qemu``, ``containerd``, ``runc`` … to a version."""
