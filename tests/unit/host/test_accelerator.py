from __future__ import annotations

from pathlib import Path

import pytest

from harness.host import accelerator, kvm_device
from harness.host.guest.initrd import USER_SPACE
from harness.host.guest.kernel import GuestKernel

KERNEL = GuestKernel(Path("/c/k1/vmlinuz"), Path("/c/k1/initrd"), "6.1", (), "linux-image")
VERSION = 'if [ "$1" = --version ]; then echo "QEMU 1"; exit; fi\n'


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A host with a kernel, a /dev/kvm and no QEMU yet; returns where a QEMU would be found."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("TARE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(accelerator, "QEMU", "fake-qemu")
    device = tmp_path / "kvm"
    device.touch()
    monkeypatch.setattr(kvm_device, "DEVICE", device)
    monkeypatch.setattr(accelerator, "guest_kernel_if_built", lambda: KERNEL)
    return programs / "fake-qemu"


def install(qemu: Path, body: str) -> None:
    qemu.write_text(f"#!/bin/sh\n{VERSION}echo x >>{qemu.parent}/boots\n{body}\n")
    qemu.chmod(0o755)


def boots(qemu: Path) -> int:
    return len((qemu.parent / "boots").read_text().split())


@pytest.mark.usefixtures("machine")
def test_no_qemu_means_none() -> None:
    found = accelerator.probe()
    assert (found.kind, found.proven) == ("none", False)
    assert accelerator.cached() is None


def test_a_kernel_in_user_space_proves_kvm_once_per_boot(machine: Path) -> None:
    install(machine, f"echo '{USER_SPACE}'; exec sleep 60")
    assert accelerator.cached() is None
    found = accelerator.probe()
    assert (found.kind, found.proven) == ("kvm", True)
    assert accelerator.probe() == accelerator.cached() == found
    assert boots(machine) == 1
    assert accelerator.probe(force=True).kind == "kvm"
    assert boots(machine) == 2


def test_a_qemu_that_aborts_means_emulation_and_says_its_last_words(machine: Path) -> None:
    install(machine, "echo 'cannot set MSR' >&2; exit 134")
    found = accelerator.probe()
    assert (found.kind, found.proven) == ("tcg", True)
    assert "cannot set MSR" in found.reason


def test_a_kernel_that_hangs_means_emulation_after_the_limit(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerator, "LIMIT_S", 0.2)
    install(machine, "echo firmware; exec sleep 60")
    found = accelerator.probe()
    assert (found.kind, found.proven) == ("tcg", True)
    assert "no kernel reached user space" in found.reason


def test_without_the_kernel_nothing_is_proven(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(machine, "exit 1")
    monkeypatch.setattr(accelerator, "guest_kernel_if_built", lambda: None)
    found = accelerator.probe()
    assert (found.kind, found.proven) == ("tcg", False)
    assert "tare provision" in found.reason


def test_a_damaged_memory_is_not_believed(machine: Path) -> None:
    install(machine, f"echo '{USER_SPACE}'; exec sleep 60")
    accelerator.probe()
    accelerator._file().write_text("[]")
    assert accelerator.cached() is None
    assert accelerator.probe().kind == "kvm"
