"""What target ``vm`` has made is undone, whichever step fails. libvirt and the shared disks are fakes."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from harness.artifacts.builders.guest import GuestDisk
from harness.clock import Stopwatch
from harness.errors import DeployError
from harness.targets.vm import instance as vm_instance
from harness.targets.vm import target as vm
from harness.targets.vm.boot import StagedBoot
from harness.targets.vm.console import VmConsole
from harness.targets.vm.target import VmTarget
from tests.unit.targets.vm.vm_service import AT, service


class Host:
    """``told``: what was asked of libvirt, and the overlays made, in order; ``fails``: the one of these that fails."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.told: list[str] = []
        self.fails = ""
        self.consoles: list[VmConsole] = []
        for name in ("run", "instances", "scratch"):
            (folder / name).mkdir()
        self.made_in = (folder / "run", folder / "instances")
        self.scratch = folder / "scratch"
        (folder / "initrd").write_bytes(b"shared")
        disk = SimpleNamespace(path=folder / "guest", kernel=folder / "kernel", initrd=folder / "initrd")
        owner = f"+{os.geteuid()}:+{os.getegid()}"
        monkeypatch.setattr(vm_instance, "run_dir", lambda: folder / "run")
        monkeypatch.setattr(vm_instance, "instances_dir", lambda: folder / "instances")
        monkeypatch.setattr(vm, "guest_disk", lambda: cast(GuestDisk, disk))
        monkeypatch.setattr("harness.host.accelerator.probe", lambda: SimpleNamespace(kind="tcg"))
        monkeypatch.setattr(vm, "qemu_owner", lambda *_capabilities: owner)
        monkeypatch.setattr("harness.targets.vm.connection.connect", lambda: self)
        monkeypatch.setattr("harness.targets.vm.connection.destroy", lambda name: self.told.append(f"destroy {name}"))
        monkeypatch.setattr(vm, "_overlay", lambda overlay, *_backing: self._do(f"make {overlay.name}"))
        monkeypatch.setattr(StagedBoot, "start", lambda boot, _clock: self._start(boot))

    def _start(self, boot: StagedBoot) -> int:
        self.consoles.append(boot.console)
        return self._do("start")

    def _do(self, what: str) -> int:
        self.told.append(what)
        if what == self.fails:
            raise DeployError(f"{what} is not possible", "look why")
        return os.getpid()

    def getCapabilities(self) -> str:  # noqa: N802 - libvirt's name
        return "<capabilities/>"

    def close(self) -> None:
        self.told.append("close")

    def left(self) -> list[str]:
        return [path.name for folder in self.made_in for path in folder.iterdir()]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


def test_a_machine_that_is_never_started_leaves_no_folder_and_no_connection(host: Host) -> None:
    with VmTarget().stage(service(), AT, host.scratch):
        assert host.left() == ["tare-c-1-svc-vm"] * 2
        assert host.told == [], "the overlays are part of what each machine costs"
    assert (host.left(), host.told) == ([], ["close"])


def test_a_console_that_cannot_listen_fails_the_staging(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.targets.vm.console.CONSOLE_SOCKET", "x" * 200)
    with pytest.raises(DeployError, match="cannot be made"):
        VmTarget().stage(service(), AT, host.scratch)
    assert (host.left(), host.told) == ([], ["close"])


@pytest.mark.parametrize("step", ["make guest.qcow2", "make workload.qcow2", "start"])
def test_whatever_fails_of_the_start_leaves_nothing(host: Host, step: str) -> None:
    host.fails = step
    clock = Stopwatch()
    with VmTarget().stage(service(), AT, host.scratch) as staged:
        with pytest.raises(DeployError, match=step):
            staged.start(clock)
        assert host.left() == []
        assert host.told[-1] == "close"
        assert ("destroy tare-c-1-svc-vm" in host.told) == ("defined" in clock.phases()) == (step == "start")


def test_a_machine_that_runs_keeps_its_folders_and_not_the_connection(host: Host) -> None:
    clock = Stopwatch()
    with VmTarget().stage(service(), AT, host.scratch) as staged:
        instance = staged.start(clock)
    assert host.told == ["make guest.qcow2", "make workload.qcow2", "start", "close"]
    assert host.left() == ["tare-c-1-svc-vm"] * 2
    assert list(clock.phases()) == ["defined"]
    assert instance.alive()
    host.consoles[-1].close()
