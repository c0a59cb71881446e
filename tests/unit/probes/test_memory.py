from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.clock import Stopwatch
from harness.errors import DeployError
from harness.host.cgroups.detect import CgroupReader
from harness.probes.memory import engine_memory, pss_bytes, read_memory
from harness.probes.qemu_memory import QemuParts, guest_memory_bytes, parts
from harness.records.memory import CgroupMemory
from harness.targets.api import GuestMemory, InsideView, Instance, InstanceProcess

MIB = 1024 * 1024
QEMU_SMAPS = """\
55cbdf808000-55cbdfd9f000 r-xp 00407000 fe:00 2170964                    /usr/bin/qemu-system-x86_64
Pss:                2540 kB
Pss_Dirty:          9999 kB
7f75f8000000-7f75f8316000 rw-p 00000000 00:00 0
Pss:                 656 kB
7f75ff600000-7f760be00000 rw-p 00000000 00:00 0
Pss:                6144 kB
7f760c000000-7f760c3ff000 rwxp 00000000 00:00 0
Pss:                2048 kB
7f760c3ff000-7f760c400000 ---p 00000000 00:00 0
Pss:                   0 kB
7f760c400000-7f760c7ff000 rwxp 00000000 00:00 0
Pss:                1024 kB
7f7610000000-7f7620000000 rw-p 00000000 00:00 0                          [heap]
Pss:                 100 kB
"""


def process(proc: Path, pid: int, name: str, pss_kib: int) -> None:
    folder = proc / str(pid)
    folder.mkdir(parents=True)
    (folder / "comm").write_text(f"{name}\n")
    (folder / "smaps_rollup").write_text(
        f"5500-ffff ---p 0 00:00 0 [rollup]\nRss: 9 kB\nPss: {pss_kib} kB\nPss_Anon: 1 kB\n"
    )


class Group(CgroupReader):
    path_name = "/x"

    def memory(self) -> CgroupMemory:
        return CgroupMemory(1, 2, 3, 4, 5, None)

    def cpu_ns(self) -> int:
        return 0

    def throttled_periods(self) -> int:
        return 0

    def pids(self) -> tuple[int, ...]:
        return ()


class Example(Instance):
    def __init__(self, processes: Sequence[InstanceProcess], accelerator: str = "none") -> None:
        self.accelerator = accelerator
        self._processes = processes

    def processes(self) -> Sequence[InstanceProcess]:
        return self._processes

    @property
    def cgroup(self) -> CgroupReader | None:
        return Group()

    def alive(self) -> bool:
        return True

    def logs(self) -> str:
        return ""

    def content_digest(self) -> str:
        return ""

    def inside(self) -> InsideView:
        raise DeployError("not to be looked into", "")

    def guest_memory(self) -> GuestMemory | None:
        return None if self.accelerator == "none" else GuestMemory(500 * MIB, 400 * MIB)

    def _kill(self) -> None:
        raise DeployError("not to be stopped", "")

    def _terminate(self, grace_s: float) -> None:
        raise DeployError(f"not to be stopped in {grace_s} s", "")

    def _restart(self, clock: Stopwatch) -> None:
        raise DeployError(f"not to be started at {clock}", "")

    def _stop(self) -> None:
        raise DeployError("not to be stopped", "")


def test_pss_is_summed_by_role_and_ended_processes_are_skipped(tmp_path: Path) -> None:
    process(tmp_path, 10, "uvicorn", 1000)
    process(tmp_path, 11, "uvicorn", 500)
    process(tmp_path, 20, "containerd-shim", 300)
    process(tmp_path, 30, "dockerd", 70_000)
    roles = [(10, "app"), (11, "app"), (20, "shim"), (99, "helper")]
    instance = Example([InstanceProcess(pid, role, "") for pid, role in roles])
    view = read_memory(instance, {"dockerd": 60_000 * 1024, "containerd": 0}, tmp_path)
    assert view.pss == {"app": 1500 * 1024, "shim": 300 * 1024, "helper": 0}
    assert view.cgroup == CgroupMemory(anon=1, file=2, kernel=3, page_tables=4, current=5, peak=None)
    assert view.engine_growth == {"dockerd": 10_000 * 1024, "containerd": 0}
    assert view.guest_ram_touched is None
    assert view.emulator_cache is None
    assert view.guest is None


@pytest.mark.parametrize(("accelerator", "cache"), [("tcg", 3 * MIB), ("kvm", None)])
def test_a_guests_memory_is_told_from_the_emulators(tmp_path: Path, accelerator: str, cache: int | None) -> None:
    process(tmp_path, 10, "qemu-system-x86", 12_512)
    (tmp_path / "10/smaps").write_text(QEMU_SMAPS)
    (tmp_path / "10/cmdline").write_text("qemu\0-m\0size=204800k,slots=2\0-S\0")
    view = read_memory(Example([InstanceProcess(10, "vmm", "qemu")], accelerator), {}, tmp_path)
    assert view.pss == {"vmm": 12_512 * 1024}
    assert view.guest_ram_touched == 6 * MIB
    assert view.emulator_cache == cache
    assert view.guest == GuestMemory(500 * MIB, 400 * MIB)


def test_ram_of_unknown_size_is_the_largest_writable_mapping(tmp_path: Path) -> None:
    process(tmp_path, 10, "qemu-system-x86", 1)
    (tmp_path / "10/smaps").write_text(QEMU_SMAPS.replace("[heap]", ""))
    (tmp_path / "10/cmdline").write_text("qemu\0-S\0")
    assert parts(10, tmp_path) == QemuParts(100 * 1024, 3 * MIB)


def test_ram_in_a_named_backend_is_found_by_its_name(tmp_path: Path) -> None:
    process(tmp_path, 10, "qemu-system-x86", 1)
    backend = "7f51df7ff000-7f51ebfff000 rw-s 00000000 00:01 5701    /memfd:memory-backend-memfd (deleted)\nPss: 7 kB\n"
    cache = "7f60c0000000-7f60c4000000 r-xs 00000000 00:01 5702    /memfd:tcg-jit (deleted)\nPss: 9 kB\n"
    (tmp_path / "10/smaps").write_text(QEMU_SMAPS.replace("rwxp", "rw-p") + backend + cache)
    (tmp_path / "10/cmdline").write_text("qemu\0-m\0" + "200\0")
    assert parts(10, tmp_path) == QemuParts(7 * 1024, 9 * 1024)


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ("512", 512 * MIB),
        ("size=524288k", 512 * MIB),
        ("1G", 1024 * MIB),
        ("2g,slots=3", 2048 * MIB),
        ("nonsense", None),
    ],
)
def test_memory_sizes_of_a_command_line(value: str, size: int | None) -> None:
    assert guest_memory_bytes(["qemu", "-name", "-m", "-m", value]) == size


def test_a_qemu_that_has_ended_has_no_parts(tmp_path: Path) -> None:
    assert parts(10, tmp_path) is None


def test_daemons_are_found_by_name_as_far_as_the_kernel_keeps_it(tmp_path: Path) -> None:
    process(tmp_path, 1, "dockerd", 10)
    process(tmp_path, 2, "dockerd", 20)
    process(tmp_path, 3, "containerd-shim", 40)
    (tmp_path / "meminfo").write_text("")
    found = engine_memory(["dockerd", "containerd-shim-runc-v2", "libvirtd"], tmp_path)
    assert found == {"dockerd": 30 * 1024, "containerd-shim-runc-v2": 40 * 1024, "libvirtd": 0}
    assert engine_memory([], tmp_path / "not there") == {}


def test_the_kernel_agrees() -> None:
    program = "print(flush=True); input(); held = b'x' * (16 << 20); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-ISc", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdout.readline()
        before = pss_bytes(child.pid)
        child.stdin.write(b"\n")
        child.stdout.readline()
        after = pss_bytes(child.pid)
        child.stdin.write(b"\n")
    assert before is not None
    assert after is not None
    assert 15 * MIB < after - before < 20 * MIB
