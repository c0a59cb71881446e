from __future__ import annotations

from pathlib import Path

import pytest

from harness.host import machine
from harness.host.noise import NoiseCounters


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "proc/stat", "cpu  100 10 40 800 20 5 5 20 50 0\ncpu0 1 2 3\n")
    write(tmp_path / "proc/vmstat", "pgpgin 5\npswpin 7\n")
    write(tmp_path / "proc/loadavg", "1.25 0.8 0.5 1/100 999\n")
    write(tmp_path / "proc/cpuinfo", "processor\t: 0\nmodel name\t: Some CPU @ 2GHz\nflags\t\t: fpu hypervisor sse\n")
    write(tmp_path / "proc/meminfo", "MemTotal:  1000 kB\nMemAvailable:   600 kB\nHugePages_Total:  0\n")
    write(tmp_path / "etc/os-release", 'NAME="Debian"\nID=debian\n# x=y\nPRETTY_NAME="Debian GNU/Linux 12"\n')
    return tmp_path


def test_plain_facts(root: Path) -> None:
    assert machine.cpu_model(root) == "Some CPU @ 2GHz"
    assert machine.meminfo(root) == {"MemTotal": 1_024_000, "MemAvailable": 614_400}
    assert machine.os_release(root)["PRETTY_NAME"] == "Debian GNU/Linux 12"
    assert machine.load1(root) == 1.25
    assert machine.cpu_times(root) == machine.CpuTimes(busy=150, total=1000, steal=20)


def test_what_is_not_told_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    answers = {machine.governor(tmp_path), machine.turbo(tmp_path), machine.smt(tmp_path), machine.ksm(tmp_path)}
    answers |= {machine.thp(tmp_path), machine.cpu_model(tmp_path), machine.virtualisation(None, tmp_path)}
    assert answers == {"unknown"}
    assert not machine.psi(tmp_path)
    assert machine.process_count(tmp_path) == 0


def test_settings(root: Path) -> None:
    cpu = root / "sys/devices/system/cpu"
    write(cpu / "cpu0/cpufreq/scaling_governor", "powersave\n")
    write(cpu / "cpu1/cpufreq/scaling_governor", "performance\n")
    write(cpu / "intel_pstate/no_turbo", "1\n")
    write(root / "sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n")
    write(root / "sys/kernel/mm/ksm/run", "1\n")
    assert machine.governor(root) == "performance+powersave"
    assert machine.turbo(root) == "off"
    assert machine.thp(root) == "madvise"
    assert machine.ksm(root) == "on"


def test_virtualisation_from_firmware(root: Path) -> None:
    assert machine.virtualisation(None, root) == "vm-other"
    write(root / "sys/class/dmi/id/sys_vendor", "Amazon EC2\n")
    assert machine.virtualisation(None, root) == "amazon"
    write(root / "proc/cpuinfo", "flags\t: fpu sse\n")
    assert machine.virtualisation(None, root) == "none"


def test_the_detector_is_asked_for_a_machine_before_a_container(root: Path, tmp_path: Path) -> None:
    detector = tmp_path / "detect"
    detector.write_text('#!/bin/sh\n[ "$1" = --vm ] && echo kvm || echo docker\n')
    detector.chmod(0o755)
    assert machine.virtualisation(str(detector), root) == "kvm"
    detector.write_text('#!/bin/sh\n[ "$1" = --vm ] && echo none || echo docker\n')
    assert machine.virtualisation(str(detector), root) == "docker"
    assert machine.virtualisation(str(tmp_path / "gone"), root) == "vm-other"


def test_noise_is_what_neither_we_nor_the_idle_loop_used(root: Path) -> None:
    before = NoiseCounters.read((), root)
    write(root / "proc/stat", "cpu  200 10 140 1500 20 5 5 120 50 0\n")
    write(root / "proc/vmstat", "pswpin 9\n")
    after = NoiseCounters.read((), root)
    figures = before.until(after, own_cpu_ns=1_500_000_000)
    # 1,000 ticks of 10 ms passed; processes used 200 of them, we 150, and 100 were stolen.
    assert figures.steal_share == pytest.approx(0.1)
    assert figures.other_busy_share == pytest.approx(0.05)
    assert (figures.swapped_in_pages, figures.throttled_periods, figures.load1) == (2, 0, 1.25)


def test_own_time_beyond_the_counted_ticks_is_no_negative_noise(root: Path) -> None:
    counters = NoiseCounters.read((), root)
    assert counters.until(counters, own_cpu_ns=5_000_000).other_busy_share == 0
