from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from harness.spec.service import Limits
from harness.targets.vm.domain import DomainFiles, domain_xml, qemu_owner, workload_backing
from tests.unit.targets.vm.vm_service import AT

FILES = DomainFiles(
    *(Path(f"/x/{name}") for name in ("kernel", "initrd", "guest.qcow2", "workload.qcow2", "console.sock", "log.sock"))
)


def domain(limits: Limits | None = None, cpuset: frozenset[int] = frozenset({1}), kind: str = "tcg") -> ET.Element:
    text = domain_xml("tare-a&b-vm", FILES, AT, limits or Limits(), cpuset, accelerator=kind, owner="+1:+2")
    return ET.fromstring(text)


def test_the_machine_has_the_labs_address_and_its_own_disks() -> None:
    tree = domain()
    assert tree.findtext("name") == "tare-a&b-vm"
    interface = tree.find("devices/interface")
    assert interface is not None
    assert [interface.find(tag).attrib for tag in ("source", "target", "mac")] == [  # type: ignore[union-attr]  # they are there
        {"bridge": "tarex-br"},
        {"dev": "tarex-10"},
        {"address": "02:54:61:72:65:0a"},
    ]
    disks = [source.get("file") for source in tree.iterfind("devices/disk/source")]
    assert disks == ["/x/guest.qcow2", "/x/workload.qcow2"]
    assert tree.findtext("seclabel/label") == "+1:+2"


def test_limits_become_memory_and_pinned_processors() -> None:
    tree = domain(Limits(cpus=1.5, memory_mib=300), frozenset({3, 2}))
    assert tree.findtext("memory") == "300"
    assert tree.findtext("vcpu") == "2"
    pins = [pin.get("cpuset") for pin in tree.iterfind("cputune/*[@cpuset]")]
    assert pins == ["2,3", "2,3", "2,3"]
    assert tree.findtext("cputune/global_quota") == "150000"


def test_whole_processors_of_their_own_have_no_quota() -> None:
    assert domain().find("cputune/global_quota") is None


@pytest.mark.parametrize(("kind", "type_", "cache"), [("tcg", "qemu", "64"), ("kvm", "kvm", None)])
def test_kvm_and_emulation_differ_only_in_what_runs_the_guest(kind: str, type_: str, cache: str | None) -> None:
    tree = domain(kind=kind)
    assert tree.get("type") == type_
    assert tree.findtext("features/tcg/tb-cache") == cache


def test_there_is_nothing_that_a_service_does_not_need() -> None:
    devices = domain().find("devices")
    assert devices is not None
    assert {device.tag for device in devices} == {"disk", "interface", "serial", "channel", "controller", "memballoon"}
    assert [device.get("model") for device in devices if device.tag in ("controller", "memballoon")] == ["none", "none"]


def test_the_workload_disk_is_the_file_behind_the_overlay() -> None:
    disk = """<disk><source file='{0}.qcow2'/><backingStore><source file='/c/{0}.ext4'/></backingStore>
    <target dev='{1}'/></disk>"""
    xml = f"<domain><devices>{disk.format('guest', 'vda')}{disk.format('workload', 'vdb')}</devices></domain>"
    assert workload_backing(xml) == Path("/c/workload.ext4")
    assert workload_backing("<domain><devices/></domain>") is None


def test_qemus_owner_is_what_libvirt_says() -> None:
    labels = "<baselabel type='kvm'>+5:+6</baselabel><baselabel type='qemu'>+7:+8</baselabel>"
    models = f"<secmodel><model>none</model></secmodel><secmodel><model>dac</model>{labels}</secmodel>"
    text = f"<capabilities><host>{models}</host></capabilities>"
    assert qemu_owner(text, "kvm") == "+5:+6"
    assert qemu_owner(text, "tcg") == "+7:+8"
    assert qemu_owner("<capabilities><host/></capabilities>", "kvm") == "+0:+0"
