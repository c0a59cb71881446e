"""The domain's XML: one machine for KVM and for emulation, with the devices that a service needs and no others.

Chosen by trial, on emulation with one vCPU (time to the first response of a small Python service): the processor model
``max`` is as fast as a named one of the same vendor and runs any image's code; a named Intel model cost 4 s more,
since the guest then isolates page tables. ``pc`` and ``q35`` did not differ. A translation cache of 64 MiB costs 2 s
against 256 MiB and saves 190 MiB of the host's memory.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.lab.api import LabAddress
from harness.spec.service import Limits

KERNEL_ARGUMENTS = (
    "console=ttyS0,115200 earlyprintk=ttyS0,115200 loglevel=6 panic=-1 net.ifnames=0 systemd.show_status=1 "
    "sysctl.net.ipv4.ip_unprivileged_port_start=0"
)
"""The kernel's first words come early, systemd's status lines are the marks of its phases; ``eth0`` is called so.

As in a container, a service that is not root may listen on any port: the network is its own.
"""

TRANSLATION_CACHE_MIB = 64
WORKLOAD_DEVICE = "vdb"
MARK = "urn:tare"
"""The namespace of an element in the metadata of every domain of ours: a name alone could be a stranger's."""
LOG_CHANNEL = "tare.log.0"
AGENT_CHANNEL = "org.qemu.guest_agent.0"
_PERIOD_US = 100_000
_NONE: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class DomainFiles:
    """The files of one machine. The sockets are listened on by the harness before QEMU connects."""

    kernel: Path
    initrd: Path
    guest_overlay: Path
    workload_overlay: Path
    console_socket: Path
    log_socket: Path


def domain_xml(
    name: str,
    files: DomainFiles,
    at: LabAddress,
    limits: Limits,
    cpuset: frozenset[int],
    *,
    accelerator: str,
    owner: str,
) -> str:
    """The domain. ``accelerator`` is ``kvm`` or ``tcg``; ``owner`` is ``+uid:+gid`` of QEMU, which must be able to open
    every file: libvirt changes no file's owner."""
    vcpus = max(1, math.ceil(limits.cpus))
    pinned = ",".join(str(cpu) for cpu in sorted(cpuset))
    domain = ET.Element("domain", type="kvm" if accelerator == "kvm" else "qemu")
    _add(domain, "name", text=name)
    _add(_add(domain, "metadata"), f"{{{MARK}}}instance")
    _add(domain, "memory", {"unit": "MiB"}, str(limits.memory_mib))
    _add(domain, "vcpu", {"placement": "static", "cpuset": pinned}, str(vcpus))
    tune = _add(domain, "cputune")
    if limits.cpus < len(cpuset):
        _add(tune, "global_period", text=str(_PERIOD_US))
        _add(tune, "global_quota", text=str(round(limits.cpus * _PERIOD_US)))
    for vcpu in range(vcpus):
        _add(tune, "vcpupin", {"vcpu": str(vcpu), "cpuset": pinned})
    _add(tune, "emulatorpin", {"cpuset": pinned})
    system = _add(domain, "os")
    _add(system, "type", {"arch": "x86_64", "machine": "pc"}, "hvm")
    _add(system, "kernel", text=str(files.kernel))
    _add(system, "initrd", text=str(files.initrd))
    _add(system, "cmdline", text=KERNEL_ARGUMENTS)
    features = _add(domain, "features")
    _add(features, "acpi")
    _add(features, "apic")
    if accelerator != "kvm":
        _add(_add(features, "tcg"), "tb-cache", {"unit": "MiB"}, str(TRANSLATION_CACHE_MIB))
    _add(domain, "cpu", {"mode": "maximum", "check": "none"})
    for event, action in (("poweroff", "destroy"), ("reboot", "destroy"), ("crash", "destroy")):
        _add(domain, f"on_{event}", text=action)
    _add_devices(_add(domain, "devices"), files, at)
    label = _add(domain, "seclabel", {"type": "static", "model": "dac", "relabel": "no"})
    _add(label, "label", text=owner)
    return ET.tostring(domain, encoding="unicode")


def _add_devices(devices: ET.Element, files: DomainFiles, at: LabAddress) -> None:
    for overlay, target in ((files.guest_overlay, "vda"), (files.workload_overlay, WORKLOAD_DEVICE)):
        disk = _add(devices, "disk", {"type": "file", "device": "disk"})
        _add(disk, "driver", {"name": "qemu", "type": "qcow2"})
        _add(disk, "source", {"file": str(overlay)})
        _add(disk, "target", {"dev": target, "bus": "virtio"})
    network = _add(devices, "interface", {"type": "bridge"})
    _add(network, "source", {"bridge": at.bridge or ""})
    _add(network, "target", {"dev": at.interface})
    _add(network, "mac", {"address": at.mac})
    _add(network, "model", {"type": "virtio"})
    serial = _add(devices, "serial", {"type": "unix"})
    _add(serial, "source", {"mode": "connect", "path": str(files.console_socket)})
    _add(serial, "target", {"type": "isa-serial", "port": "0"})
    _add_channel(devices, 1, LOG_CHANNEL, {"mode": "connect", "path": str(files.log_socket)})
    _add_channel(devices, 2, AGENT_CHANNEL, {"mode": "bind"})
    _add(devices, "controller", {"type": "usb", "model": "none"})
    _add(devices, "memballoon", {"model": "none"})


def _add_channel(devices: ET.Element, port: int, name: str, source: Mapping[str, str]) -> None:
    channel = _add(devices, "channel", {"type": "unix"})
    _add(channel, "source", source)
    _add(channel, "target", {"type": "virtio", "name": name})
    _add(channel, "address", {"type": "virtio-serial", "controller": "0", "bus": "0", "port": str(port)})


def _add(parent: ET.Element, tag: str, attributes: Mapping[str, str] = _NONE, text: str | None = None) -> ET.Element:
    element = ET.SubElement(parent, tag, dict(attributes))
    element.text = text
    return element


def workload_backing(xml: str) -> Path | None:
    """The workload disk that a running domain really uses: the file behind the overlay that is attached."""
    for disk in ET.fromstring(xml).iterfind("devices/disk"):
        target = disk.find("target")
        backing = disk.find("backingStore/source")
        if target is not None and target.get("dev") == WORKLOAD_DEVICE and backing is not None:
            return Path(backing.get("file", ""))
    return None


def qemu_owner(capabilities: str, accelerator: str) -> str:
    """``+uid:+gid`` that QEMU runs as, from the host's capabilities; root's if libvirt does not separate owners."""
    kind = "kvm" if accelerator == "kvm" else "qemu"
    for model in ET.fromstring(capabilities).iterfind("host/secmodel"):
        if model.findtext("model") == "dac":
            for label in model.iterfind("baselabel"):
                if label.get("type") == kind and label.text:
                    return label.text
    return "+0:+0"
