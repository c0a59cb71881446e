"""A host as the tests imagine it."""

from __future__ import annotations

from harness.host.facts import TOOLS, HostFacts
from harness.host.provisioning.engines import EngineFact

GIB = 1024**3


def ready_facts() -> HostFacts:
    """A host that has everything."""
    return HostFacts(
        root=True,
        os_id="debian",
        os_version="12",
        os_pretty="Debian GNU/Linux 12 (bookworm)",
        has_apt=True,
        has_systemd=False,
        kernel="6.1.0-18-amd64",
        boot_id="0f0f",
        hostname="bench",
        cpu_model="Example CPU",
        cpus=frozenset(range(4)),
        memory_total=16 * GIB,
        memory_available=12 * GIB,
        swap_total=0,
        disk_free=100 * GIB,
        cgroup_version="2",
        cgroup_writable=True,
        netem=True,
        tun=True,
        governor="performance",
        turbo="off",
        smt="off",
        virtualisation="none",
        ksm="off",
        thp="madvise",
        psi=True,
        steal_share=0.0,
        load1=0.1,
        other_busy_share=0.01,
        process_count=100,
        tools={name: f"/usr/bin/{name}" for name in TOOLS},
        docker=EngineFact("24.0.7"),
        libvirt=EngineFact("9.0.0"),
        engine_versions={"qemu": "7.2.22"},
    )
