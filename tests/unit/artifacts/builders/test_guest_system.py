from __future__ import annotations

from pathlib import Path

import pytest

from harness.artifacts.builders import guest_system
from harness.host.guest.initrd import LOG


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for folder in ("etc/systemd/system", "usr/lib", "var"):
        (tmp_path / folder).mkdir(parents=True)
    guest_system.configure(tmp_path)
    return tmp_path


def test_units_are_masked_and_nothing_of_debians_is_changed(tree: Path) -> None:
    units = tree / "etc/systemd/system"
    assert all((units / unit).readlink() == Path("/dev/null") for unit in guest_system.MASKED_UNITS)
    assert guest_system.WORKLOAD_UNIT not in guest_system.MASKED_UNITS
    assert [path.name for path in (tree / "usr/lib").iterdir()] == ["tare"]


def test_what_carries_a_debian_guest_is_never_masked() -> None:
    essential = ("systemd-udevd", "systemd-journald", "systemd-sysctl", "systemd-tmpfiles-setup", "qemu-guest-agent")
    assert not [unit for unit in guest_system.MASKED_UNITS if unit.removesuffix(".service") in essential]


def test_the_log_and_the_scripts_are_in_place(tree: Path) -> None:
    service = (tree / "etc/systemd/system/tare-log.service").read_text()
    assert LOG in service
    assert guest_system.LOG_PORT in service
    for script in (guest_system.ENDED, guest_system.INSIDE):
        assert (tree / script.lstrip("/")).stat().st_mode & 0o111


def test_another_guest_has_another_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    before = guest_system.fingerprint()
    monkeypatch.setattr(guest_system, "PACKAGES", (*guest_system.PACKAGES, "dbus"))
    assert guest_system.fingerprint() != before
