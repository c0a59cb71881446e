from __future__ import annotations

from dataclasses import replace

import pytest

from harness.host import checks as module
from harness.host.accelerator import Accelerator
from harness.host.cgroups import detect as cgroup
from harness.host.checks import Check, checks
from harness.host.facts import HostFacts
from harness.host.provisioning import packages
from harness.host.provisioning.engines import EngineFact

KVM = Accelerator("kvm", "a guest kernel reached user space", True)


@pytest.fixture(autouse=True)
def quiet_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "missing", lambda _facts: [])
    monkeypatch.setattr(cgroup, "obstacle", lambda: None)


def by_name(facts: HostFacts, accelerator: Accelerator = KVM) -> dict[str, Check]:
    return {check.name: check for check in checks(facts, lambda: accelerator)}


def test_a_host_that_is_ready(ready_facts: HostFacts) -> None:
    assert {check.ok for check in by_name(ready_facts).values()} == {"yes"}


@pytest.mark.parametrize(
    ("change", "name", "ok"),
    [
        ({"root": False}, "root", "warn"),
        ({"cpus": frozenset({0})}, "CPUs", "no"),
        ({"memory_available": 1500 * 1024**2}, "memory", "warn"),
        ({"memory_available": 900 * 1024**2}, "memory", "no"),
        ({"disk_free": 1}, "disk", "no"),
        ({"disk_free": None}, "disk", "no"),
        ({"docker": EngineFact(None, "no socket")}, "docker", "no"),
        ({"docker": EngineFact("19.03.1")}, "docker", "warn"),
        ({"docker": EngineFact("20.10.24+dfsg1")}, "docker", "yes"),
        ({"libvirt": EngineFact("8.0.0")}, "libvirt", "warn"),
        ({"netem": False}, "links", "warn"),
        ({"other_busy_share": 0.5}, "quiet", "warn"),
        ({"steal_share": 0.03}, "quiet", "warn"),
        ({"governor": "powersave"}, "CPU frequency", "warn"),
        ({"governor": "unknown"}, "CPU frequency", "yes"),
    ],
)
def test_each_lack_is_told(ready_facts: HostFacts, change: dict[str, object], name: str, ok: str) -> None:
    check = by_name(replace(ready_facts, **change))[name]  # type: ignore[arg-type]  # the values are of several types
    assert check.ok == ok
    assert check.detail
    assert ok == "yes" or check.fix or name == "links"


def test_the_truth_about_kvm(ready_facts: HostFacts) -> None:
    emulated = by_name(ready_facts, Accelerator("tcg", "no kernel reached user space", True))["KVM"]
    assert (emulated.ok, emulated.fix) == ("warn", "")
    assert "emulated" in emulated.detail
    assert by_name(ready_facts, Accelerator("tcg", "not tried", False))["KVM"].fix
    assert by_name(ready_facts, Accelerator("none", "no QEMU", False))["KVM"].ok == "no"


def test_control_groups_and_packages(ready_facts: HostFacts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroup, "obstacle", lambda: ("read-only", "remount it"))
    monkeypatch.setattr(module, "missing", lambda _facts: [packages.Need("cpio", "disks")])
    found = by_name(ready_facts)
    assert (found["control groups"].ok, found["control groups"].fix) == ("no", "remount it")
    assert "cpio" in found["packages"].detail
