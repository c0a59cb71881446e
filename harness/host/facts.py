"""Facts about this machine: read once, quickly, and without changing anything."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from harness.clock import NS_PER_MS, now_ns, sleep_until_ns
from harness.host import machine
from harness.host.cgroups import detect as cgroup
from harness.host.paths import cache_dir
from harness.host.provisioning.engines import EngineFact, docker_engine, libvirt_engine, qemu_version
from harness.records.host import MachineFacts

MOMENT_MS = 150
"""How long CPU counters are watched for ``steal_share`` and ``other_busy_share``."""

TOOLS = (
    "apt-get", "busybox", "chromium", "chromium-browser", "containerd", "cpio", "docker", "dockerd", "e2fsck",
    "gcc", "google-chrome", "ip", "iptables", "libvirtd", "losetup", "mke2fs", "mmdebstrap", "mount", "npm", "nsenter",
    "pip", "pkg-config", "qemu-img", "qemu-system-x86_64", "resize2fs", "runc", "setpriv", "systemctl",
    "systemd-detect-virt", "tar", "tc", "unshare", "uv", "virsh", "virtlogd", "zstd",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts(MachineFacts):
    """This machine, now. Memory and disk in bytes; shares are of all CPUs, between 0 and 1.

    ``cpus`` are those that this process may use. ``netem``: whether ``tc netem`` works, None where nobody can tell
    (no root, no ``tc``). ``disk_free`` is of the artifact cache, None where it has no place. ``steal_share`` and
    ``other_busy_share`` are of a moment (``MOMENT_MS``) just now. ``tools`` holds the path of each of ``TOOLS`` found.
    """

    os_id: str
    os_version: str
    os_pretty: str
    has_apt: bool
    has_systemd: bool
    cpus: frozenset[int]
    memory_available: int
    disk_free: int | None
    cgroup_writable: bool
    netem: bool | None
    tun: bool
    psi: bool
    steal_share: float
    load1: float
    other_busy_share: float
    tools: dict[str, str]
    docker: EngineFact
    libvirt: EngineFact
    engine_versions: dict[str, str]


def collect() -> HostFacts:
    """Read them all. Never raises; under a second where the engines answer or are absent."""
    before, begin_ns, own_before = machine.cpu_times(), now_ns(), _own_cpu_s()
    tools = find_tools()
    with ThreadPoolExecutor(max_workers=4) as pool:
        docker, libvirt = pool.submit(docker_engine), pool.submit(libvirt_engine)
        netem = pool.submit(netem_works, tools)
        qemu = pool.submit(qemu_version, tools.get("qemu-system-x86_64"))
        versions = docker.result().parts | ({"qemu": qemu.result()} if qemu.result() else {})
    sleep_until_ns(begin_ns + MOMENT_MS * NS_PER_MS)
    after, own_s = machine.cpu_times(), _own_cpu_s() - own_before
    ticks = max(1, after.total - before.total)
    own_ticks = own_s * os.sysconf("SC_CLK_TCK")
    release, memory = machine.os_release(), machine.meminfo()
    return HostFacts(
        root=os.geteuid() == 0,
        os_id=release.get("ID", machine.UNKNOWN),
        os_version=release.get("VERSION_ID", machine.UNKNOWN),
        os_pretty=release.get("PRETTY_NAME", machine.UNKNOWN),
        has_apt="apt-get" in tools,
        # What sd_booted(3) looks at.
        has_systemd=Path("/run/systemd/system").is_dir(),
        kernel=platform.release(),
        boot_id=machine.text(Path("/proc/sys/kernel/random/boot_id")) or machine.UNKNOWN,
        hostname=socket.gethostname(),
        cpu_model=machine.cpu_model(),
        cpus=frozenset(os.sched_getaffinity(0)),
        memory_total=memory.get("MemTotal", 0),
        memory_available=memory.get("MemAvailable", 0),
        swap_total=memory.get("SwapTotal", 0),
        disk_free=_disk_free(),
        cgroup_version=cgroup.version(),
        cgroup_writable=cgroup.writable(),
        netem=netem.result(),
        tun=_tun(),
        governor=machine.governor(),
        turbo=machine.turbo(),
        smt=machine.smt(),
        virtualisation=machine.virtualisation(tools.get("systemd-detect-virt")),
        ksm=machine.ksm(),
        thp=machine.thp(),
        psi=machine.psi(),
        steal_share=(after.steal - before.steal) / ticks,
        load1=machine.load1(),
        other_busy_share=min(1.0, max(0.0, (after.busy - before.busy - own_ticks) / ticks)),
        process_count=machine.process_count(),
        tools=tools,
        docker=docker.result(),
        libvirt=libvirt.result(),
        engine_versions={name: version for name, version in versions.items() if version},
    )


def find_tools() -> dict[str, str]:
    """Name to path of each of ``TOOLS`` that this host has; also in the sbin folders, which a user's PATH may lack."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"))
    found = {name: shutil.which(name, path=path) for name in TOOLS}
    return {name: where for name, where in found.items() if where}


def netem_works(tools: dict[str, str]) -> bool | None:
    """Try it on the loopback interface of a network namespace that ends with the try. None if it cannot be tried."""
    if os.geteuid() != 0 or "tc" not in tools or "unshare" not in tools:
        return None
    command = [tools["unshare"], "-n", tools["tc"], "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"]
    try:
        return subprocess.run(command, capture_output=True, timeout=2, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return None


def _tun() -> bool:
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError:
        return False
    return True


def _disk_free() -> int | None:
    try:
        return shutil.disk_usage(cache_dir()).free
    except OSError:
        return None


def _own_cpu_s() -> float:
    times = os.times()
    return time.process_time() + times.children_user + times.children_system
