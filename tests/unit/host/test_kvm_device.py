from __future__ import annotations

import grp
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.errors import Unavailable
from harness.host import kvm_device


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A device that only root may open, on a host whose group ``kvm`` is one that this process belongs to."""
    path = tmp_path / "kvm"
    path.touch(mode=0o600)
    path.chmod(0o600)
    monkeypatch.setattr(kvm_device, "DEVICE", path)
    monkeypatch.setattr(grp, "getgrnam", lambda _name: SimpleNamespace(gr_gid=os.getgid()))
    return path


def test_the_group_gets_a_device_that_it_may_not_open(device: Path) -> None:
    assert kvm_device.needs_permission()
    kvm_device.permit()
    assert not kvm_device.needs_permission()
    assert device.stat().st_mode & 0o777 == 0o660
    assert device.stat().st_gid == os.getgid()


def test_a_device_that_all_may_open_stays_as_it_is(device: Path) -> None:
    device.chmod(0o666)
    assert not kvm_device.needs_permission()
    kvm_device.permit()
    assert device.stat().st_mode & 0o777 == 0o666


def test_a_device_of_another_group_needs_permission(device: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device.chmod(0o660)
    assert not kvm_device.needs_permission()
    monkeypatch.setattr(grp, "getgrnam", lambda _name: SimpleNamespace(gr_gid=os.getgid() + 1))
    assert kvm_device.needs_permission()


def test_no_device_needs_nothing(device: Path) -> None:
    device.unlink()
    assert not kvm_device.needs_permission()
    kvm_device.permit()


@pytest.mark.usefixtures("device")
def test_without_the_group_it_is_planned_and_then_fails_with_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_group(name: str) -> SimpleNamespace:
        raise KeyError(name)

    monkeypatch.setattr(grp, "getgrnam", no_group)
    assert kvm_device.needs_permission()
    with pytest.raises(Unavailable) as caught:
        kvm_device.permit()
    assert "groupadd" in caught.value.remedy


@pytest.mark.usefixtures("device")
def test_a_refused_change_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chown", refuse)
    with pytest.raises(Unavailable) as caught:
        kvm_device.permit()
    assert caught.value.remedy == kvm_device.FIX
