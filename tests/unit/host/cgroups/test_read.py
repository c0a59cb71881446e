from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import DeployError
from harness.host.cgroups.base import whole_instance
from harness.host.cgroups.detect import cgroup_of, detect
from harness.records.memory import CgroupMemory

V1_STAT = "cache 1\nrss 2\ntotal_cache 1000\ntotal_rss 2000\n"
V2_STAT = "anon 2000\nfile 1000\nkernel 700\nkernel_stack 100\npagetables 300\nslab 200\n"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def mount_line(kind: str, mount: Path, options: str, root: str = "/") -> str:
    return f"30 25 0:26 {root} {mount} rw,nosuid - {kind} cgroup rw,{options}\n"


@pytest.fixture
def v1(tmp_path: Path) -> Path:
    """A host of version 1 with an empty unified hierarchy beside; process 7 is in /box."""
    mounts = ""
    for controllers in ("memory", "cpu,cpuacct", "cpuset"):
        mounts += mount_line("cgroup", tmp_path / "cg" / controllers, controllers)
    mounts += mount_line("cgroup2", tmp_path / "cg" / "unified", "nsdelegate")
    write(tmp_path / "proc/self/mountinfo", mounts)
    write(tmp_path / "proc/7/cgroup", "4:memory:/box\n2:cpu,cpuacct:/box\n3:cpuset:/\n0::/\n")
    write(tmp_path / "proc/7/status", "Name:\tx\nVmPTE:\t      40 kB\n")
    memory, cpu = tmp_path / "cg/memory/box", tmp_path / "cg/cpu,cpuacct/box"
    write(memory / "memory.stat", V1_STAT)
    write(memory / "memory.usage_in_bytes", "3500\n")
    write(memory / "memory.max_usage_in_bytes", "9000\n")
    write(memory / "memory.kmem.usage_in_bytes", "400\n")
    write(memory / "cgroup.procs", "7\n0\n")
    write(memory / "below/cgroup.procs", "9\n")
    write(cpu / "cpuacct.usage", "123456789\n")
    write(cpu / "cpu.stat", "nr_periods 10\nnr_throttled 3\nthrottled_time 5\n")
    return tmp_path


@pytest.fixture
def v2(tmp_path: Path) -> Path:
    """A host of version 2; process 7 is in /a.slice/box."""
    write(tmp_path / "proc/self/mountinfo", mount_line("cgroup2", tmp_path / "cg", "nsdelegate"))
    write(tmp_path / "proc/7/cgroup", "0::/a.slice/box\n")
    box = tmp_path / "cg/a.slice/box"
    write(box / "memory.stat", V2_STAT)
    write(box / "memory.current", "3500\n")
    write(box / "memory.peak", "9000\n")
    write(box / "cpu.stat", "usage_usec 123456\nnr_throttled 3\n")
    write(box / "cgroup.procs", "7\n")
    write(box / "below/cgroup.procs", "9\n")
    return tmp_path


def test_v1_counts_descendants_and_sums_page_tables(v1: Path) -> None:
    layout = detect(v1 / "proc")
    group = cgroup_of(7, layout)
    assert layout.version == "1"
    assert group is not None
    assert group.path_name == "/box"
    assert group.memory() == CgroupMemory(2000, 1000, 400, 40 * 1024, 3500, 9000)
    assert group.cpu_ns() == 123456789
    assert group.throttled_periods() == 3
    assert group.pids() == (7, 9)


def test_v1_without_kernel_accounting_takes_the_rest_of_the_total(v1: Path) -> None:
    (v1 / "cg/memory/box/memory.kmem.usage_in_bytes").unlink()
    group = cgroup_of(7, detect(v1 / "proc"))
    assert group is not None
    assert group.memory().kernel == 500


def test_v1_cpu_time_comes_from_the_unified_hierarchy_where_cpuacct_is_the_root(v1: Path) -> None:
    write(v1 / "proc/7/cgroup", "4:memory:/box\n1:cpu:/box\n2:cpuacct:/\n0::/box/emulator\n")
    write(v1 / "cg/unified/box/cpu.stat", "usage_usec 77\n")
    group = cgroup_of(7, detect(v1 / "proc"))
    assert group is not None
    assert group.cpu_ns() == 77_000


@pytest.mark.parametrize("memberships", ["4:memory:/\n2:cpu,cpuacct:/box\n", "4:memory:/box\n2:cpu,cpuacct:/\n0::/\n"])
def test_v1_group_that_is_partly_the_root_is_none(v1: Path, memberships: str) -> None:
    write(v1 / "proc/7/cgroup", memberships)
    assert cgroup_of(7, detect(v1 / "proc")) is None


def test_v2_reads_one_folder(v2: Path) -> None:
    layout = detect(v2 / "proc")
    group = cgroup_of(7, layout)
    assert layout.version == "2"
    assert group is not None
    assert group.path_name == "/a.slice/box"
    assert group.memory() == CgroupMemory(2000, 1000, 700, 300, 3500, 9000)
    assert group.cpu_ns() == 123_456_000
    assert group.throttled_periods() == 3
    assert group.pids() == (7, 9)


def test_v2_of_an_older_kernel(v2: Path) -> None:
    box = v2 / "cg/a.slice/box"
    (box / "memory.peak").unlink()
    write(box / "memory.stat", "anon 2000\nfile 1000\nkernel_stack 100\npercpu 50\nslab 200\n")
    write(v2 / "proc/9/status", "VmPTE:\t      8 kB\n")
    group = cgroup_of(7, detect(v2 / "proc"))
    assert group is not None
    assert group.memory() == CgroupMemory(2000, 1000, 350, 8 * 1024, 3500, None)


def test_v2_root_is_none(v2: Path) -> None:
    write(v2 / "proc/7/cgroup", "0::/\n")
    assert cgroup_of(7, detect(v2 / "proc")) is None


def test_a_mount_that_shows_a_part_of_the_hierarchy(v2: Path) -> None:
    write(v2 / "proc/self/mountinfo", mount_line("cgroup2", v2 / "cg", "x", root="/outer"))
    write(v2 / "proc/7/cgroup", "0::/outer/a.slice/box\n")
    write(v2 / "proc/8/cgroup", "0::/elsewhere\n")
    layout = detect(v2 / "proc")
    group = cgroup_of(7, layout)
    assert group is not None
    assert group.cpu_ns() == 123_456_000
    assert cgroup_of(8, layout) is None


def test_a_group_that_is_gone_is_a_deploy_error(v2: Path) -> None:
    group = cgroup_of(7, detect(v2 / "proc"))
    assert group is not None
    (v2 / "cg/a.slice/box/cpu.stat").unlink()
    with pytest.raises(DeployError, match=r"cpu\.stat"):
        group.cpu_ns()


def test_nothing_mounted(tmp_path: Path) -> None:
    layout = detect(tmp_path)
    assert layout.version == "none"
    assert cgroup_of(7, layout) is None


def test_a_mount_with_a_space_in_its_path(tmp_path: Path) -> None:
    write(tmp_path / "self/mountinfo", "30 25 0:26 / /with\\040space rw - cgroup2 none rw\n")
    found = detect(tmp_path).v2
    assert found is not None
    assert found.mount == Path("/with space")


@pytest.mark.parametrize(
    ("group", "whole"),
    [
        ("/machine/qemu-1-x.libvirt-qemu/emulator", "/machine/qemu-1-x.libvirt-qemu"),
        ("/machine/qemu-1-x.libvirt-qemu/vcpu12", "/machine/qemu-1-x.libvirt-qemu"),
        (r"/machine.slice/machine-qemu\x2d1.scope/libvirt/emulator", r"/machine.slice/machine-qemu\x2d1.scope"),
        ("/docker/abc", "/docker/abc"),
        ("/emulator", "/emulator"),
    ],
)
def test_a_guest_is_its_whole_group(group: str, whole: str) -> None:
    assert whole_instance(group) == whole
