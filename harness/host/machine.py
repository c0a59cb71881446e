"""What the kernel tells of this machine. What it does not tell is ``unknown``, never guessed. ``root`` is for tests."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from harness.units import KIB

UNKNOWN = "unknown"
ROOT = Path("/")

_VENDORS = {
    "qemu": "qemu",
    "kvm": "kvm",
    "amazon ec2": "amazon",
    "google": "google",
    "vmware": "vmware",
    "innotek": "oracle",
    "virtualbox": "oracle",
    "xen": "xen",
    "microsoft corporation": "microsoft",
    "parallels": "parallels",
    "firecracker": "firecracker",
}
"""How firmware names a hypervisor, and what systemd-detect-virt calls it."""


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """Time of all CPUs since boot, in clock ticks. ``busy`` is what processes used; interrupts are in ``total``."""

    busy: int
    total: int
    steal: int


def text(path: Path) -> str:
    """A file's stripped text, "" where it cannot be read."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def os_release(root: Path = ROOT) -> dict[str, str]:
    """/etc/os-release, unquoted."""
    pairs = (line.partition("=") for line in text(root / "etc/os-release").splitlines())
    return {key: value.strip("\"'") for key, _, value in pairs if value and not key.startswith("#")}


def cpu_model(root: Path = ROOT) -> str:
    """The first CPU's model name."""
    match = re.search(r"^model name\s*:\s*(.+)$", text(root / "proc/cpuinfo"), re.MULTILINE)
    return match[1] if match else UNKNOWN


def hypervisor_bit(root: Path = ROOT) -> bool:
    """Whether the CPU says that a hypervisor runs below this kernel (x86)."""
    match = re.search(r"^flags\s*:(.*)$", text(root / "proc/cpuinfo"), re.MULTILINE)
    return bool(match) and "hypervisor" in (match[1].split() if match else [])


def meminfo(root: Path = ROOT) -> dict[str, int]:
    """/proc/meminfo in bytes."""
    found = re.findall(r"^(\S+):\s+(\d+) kB$", text(root / "proc/meminfo"), re.MULTILINE)
    return {key: int(value) * KIB for key, value in found}


def cpu_times(root: Path = ROOT) -> CpuTimes:
    """The first line of /proc/stat. Guest time is part of user time there and is not counted twice."""
    line = text(root / "proc/stat").partition("\n")[0].split()
    user, nice, system, idle, iowait, irq, softirq, steal = ([int(word) for word in line[1:9]] + [0] * 8)[:8]
    busy = user + nice + system
    return CpuTimes(busy, busy + irq + softirq + idle + iowait + steal, steal)


def vmstat(root: Path = ROOT) -> dict[str, int]:
    """/proc/vmstat: counters since boot, in pages or events."""
    pairs = (line.split() for line in text(root / "proc/vmstat").splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2}


def load1(root: Path = ROOT) -> float:
    """The load average of the last minute."""
    words = text(root / "proc/loadavg").split()
    return float(words[0]) if words else 0.0


def process_count(root: Path = ROOT) -> int:
    """How many processes this namespace shows."""
    return sum(name.isdigit() for name in os.listdir(root / "proc"))  # noqa: PTH208 - names alone, no path per process


def governor(root: Path = ROOT) -> str:
    """The frequency governors in use, usually one."""
    files = (root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor")
    return "+".join(sorted({text(file) for file in files} - {""})) or UNKNOWN


def turbo(root: Path = ROOT) -> str:
    """``on``, ``off`` or ``unknown``."""
    cpu = root / "sys/devices/system/cpu"
    if no_turbo := text(cpu / "intel_pstate/no_turbo"):
        return "off" if no_turbo == "1" else "on"
    if boost := text(cpu / "cpufreq/boost"):
        return "on" if boost == "1" else "off"
    return UNKNOWN


def smt(root: Path = ROOT) -> str:
    """The kernel's word: ``on``, ``off``, ``forceoff``, ``notsupported``, ``notimplemented``."""
    return text(root / "sys/devices/system/cpu/smt/control") or UNKNOWN


def ksm(root: Path = ROOT) -> str:
    """Whether the kernel merges equal pages: ``on``, ``off`` or ``unknown``."""
    return {"0": "off", "1": "on", "2": "off"}.get(text(root / "sys/kernel/mm/ksm/run"), UNKNOWN)


def thp(root: Path = ROOT) -> str:
    """Transparent huge pages: ``always``, ``madvise``, ``never`` or ``unknown``."""
    match = re.search(r"\[(\w+)\]", text(root / "sys/kernel/mm/transparent_hugepage/enabled"))
    return match[1] if match else UNKNOWN


def psi(root: Path = ROOT) -> bool:
    """Whether pressure stall information can be read; the files may be there and refuse."""
    return text(root / "proc/pressure/cpu") != ""


def virtualisation(detector: str | None, root: Path = ROOT) -> str:
    """What this machine runs on: systemd-detect-virt's word, or what CPU and firmware say; ``none`` on bare metal."""
    if detector:
        # A machine first: a container, or what is left of one, says nothing about what executes the instructions.
        for kind in ("--vm", "--container"):
            try:
                done = subprocess.run([detector, kind], capture_output=True, text=True, timeout=2, check=False)
            except (OSError, subprocess.TimeoutExpired):
                break
            word = done.stdout.strip()
            if word not in ("", "none"):
                return word
    if not hypervisor_bit(root):
        return "none" if text(root / "proc/cpuinfo") else UNKNOWN
    for file in ("sys_vendor", "product_name", "bios_vendor"):
        named = text(root / "sys/class/dmi/id" / file).lower()
        for vendor, word in _VENDORS.items():
            if vendor in named:
                return word
    return "vm-other"
