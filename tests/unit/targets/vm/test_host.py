from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.errors import DeployError
from harness.targets.vm.connection import kvm_obstacle, qemu_pid
from harness.targets.vm.instance import VmPlaces

QEMU_USER = (65533, 65532)


@pytest.mark.parametrize(("mode", "fine"), [(0o600, False), (0o660, False), (0o666, True)])
def test_a_device_that_qemu_may_not_open_is_an_obstacle(tmp_path: Path, mode: int, fine: bool) -> None:
    device = tmp_path / "kvm"
    device.touch()
    device.chmod(mode)
    assert (kvm_obstacle(QEMU_USER, device) == "") is fine
    assert kvm_obstacle((os.geteuid(), QEMU_USER[1]), device) == ""


def test_no_device_is_no_obstacle(tmp_path: Path) -> None:
    assert kvm_obstacle(QEMU_USER, tmp_path / "kvm") == ""


def test_qemu_is_found_by_its_whole_name(tmp_path: Path) -> None:
    for pid, name in (("11", "tare-a-1-vm"), ("12", "tare-a-vm")):
        (tmp_path / pid).mkdir()
        words = ("/usr/bin/qemu-system-x86_64", "-name", f"guest={name},debug-threads=on")
        (tmp_path / pid / "cmdline").write_bytes("\0".join(words).encode())
    (tmp_path / "self").mkdir()
    assert qemu_pid("tare-a-vm", tmp_path) == 12
    assert qemu_pid("tare-a", tmp_path) is None


def test_the_places_of_a_machine_are_its_own_and_go_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TARE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("harness.targets.vm.instance.run_dir", lambda: tmp_path / "run")
    (tmp_path / "run").mkdir()
    places = VmPlaces("tare-a-vm")
    places.make()
    with pytest.raises(DeployError, match="exists already"):
        places.make()
    places.remove()
    places.remove()
    assert not places.state.exists()
    assert not places.disks.exists()
