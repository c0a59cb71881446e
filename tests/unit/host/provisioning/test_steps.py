from __future__ import annotations

import os
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import BuildError, Unavailable
from harness.host import accelerator, kvm_device
from harness.host.accelerator import Accelerator
from harness.host.facts import HostFacts
from harness.host.guest import kernel as guest_kernel
from harness.host.provisioning import apt, daemons, packages
from harness.host.provisioning import steps as provision
from harness.host.provisioning.engines import EngineFact
from harness.host.provisioning.packages import Need, missing

NOT_THERE = EngineFact(None, "nobody listens")


@pytest.fixture(autouse=True)
def kernel_and_kvm_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest_kernel, "guest_kernel_if_built", lambda: object())
    monkeypatch.setattr(accelerator, "cached", lambda: Accelerator("kvm", "booted", True))
    monkeypatch.setattr(kvm_device, "needs_permission", lambda: False)
    monkeypatch.setattr(provision, "missing", lambda *_args, **_options: [])


def titles(facts: HostFacts) -> list[str]:
    return [step.title for step in provision.plan(facts)]


def test_a_host_that_is_ready_needs_nothing(ready_facts: HostFacts) -> None:
    assert provision.plan(ready_facts) == []


def test_everything_is_done_in_order(ready_facts: HostFacts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bare = replace(ready_facts, docker=NOT_THERE, libvirt=EngineFact(None, "no library", installed=False))
    monkeypatch.setattr(provision, "missing", lambda *_args, **_options: [Need("cpio", "disks")])
    monkeypatch.setattr(guest_kernel, "guest_kernel_if_built", lambda: None)
    monkeypatch.setattr(kvm_device, "DEVICE", tmp_path)
    monkeypatch.setattr(kvm_device, "needs_permission", lambda: True)
    assert titles(bare) == [
        "Install packages",
        "Build libvirt-python",
        "Open KVM to QEMU",
        "Start Docker",
        "Start libvirt",
        "Fetch the guest kernel",
        "Try KVM",
    ]


def test_kvm_is_not_tried_where_there_is_none(
    ready_facts: HostFacts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(accelerator, "cached", lambda: None)
    monkeypatch.setattr(kvm_device, "DEVICE", tmp_path / "kvm")
    assert titles(ready_facts) == []
    (tmp_path / "kvm").write_text("")
    assert titles(ready_facts) == ["Try KVM"]


def test_engines_start_by_systemd_where_it_runs(ready_facts: HostFacts) -> None:
    without = replace(ready_facts, docker=NOT_THERE, libvirt=NOT_THERE)
    commands = [step.command for step in provision.plan(replace(without, has_systemd=True))]
    assert commands == ["systemctl enable --now docker", "systemctl enable --now virtlogd.socket libvirtd"]
    assert [step.command for step in provision.plan(without)] == [
        "setsid dockerd &",
        "setsid virtlogd &; setsid libvirtd &",
    ]


def test_without_systemd_the_log_daemon_comes_before_libvirtd(
    ready_facts: HostFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(daemons, "LIBVIRTD", replace(daemons.LIBVIRTD, ready=lambda: False))
    monkeypatch.setattr(daemons, "start", lambda daemon: started.append(daemon.name))
    (step,) = provision.plan(replace(ready_facts, libvirt=NOT_THERE))
    step.run()
    assert started == ["virtlogd", "libvirtd"]


def test_only_root_changes_the_machine(ready_facts: HostFacts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    (step,) = provision.plan(replace(ready_facts, root=False, docker=NOT_THERE))
    with pytest.raises(Unavailable) as caught:
        step.run()
    assert caught.value.remedy.startswith("sudo")


def test_a_host_without_apt_is_told_what_to_install(ready_facts: HostFacts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provision, "missing", lambda *_args, **_options: [Need("cpio", "disks")])
    (step,) = provision.plan(replace(ready_facts, has_apt=False))
    with pytest.raises(Unavailable) as caught:
        step.run()
    assert "cpio" in caught.value.remedy


def test_the_requirement_is_the_extras() -> None:
    project = tomllib.loads(Path(__file__).parents[4].joinpath("pyproject.toml").read_text())["project"]
    assert provision.LIBVIRT_REQUIREMENT in project["optional-dependencies"]["vm"]


def without(facts: HostFacts, *tools: str, **changes: Any) -> set[str]:
    left = {name: path for name, path in facts.tools.items() if name not in tools}
    return {need.package for need in missing(replace(facts, tools=left, **changes))}


def test_packages_are_recognised_by_what_they_provide(ready_facts: HostFacts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "_LIBVIRT_HEADER", Path("/"))
    monkeypatch.setattr(packages, "_LIBC_HEADER", Path("/"))
    monkeypatch.setattr("sysconfig.get_path", lambda _name: "/nowhere")
    base = without(ready_facts)
    assert len(base) == 1
    assert base.pop().startswith("python3.")
    assert {"qemu-utils", "iproute2"} <= without(ready_facts, "qemu-img", "tc")
    monkeypatch.setattr(packages, "_LIBVIRT_HEADER", Path("/nowhere"))
    assert "libvirt-dev" in without(ready_facts)


def test_another_docker_engine_is_left_alone(ready_facts: HostFacts) -> None:
    assert "docker.io" not in without(ready_facts, docker=NOT_THERE)
    assert "docker.io" not in without(ready_facts, "dockerd")
    assert "docker.io" in without(ready_facts, "dockerd", docker=NOT_THERE)


def test_only_the_tests_need_a_browser_and_npm(ready_facts: HostFacts) -> None:
    tools = {name: path for name, path in ready_facts.tools.items() if "chrom" not in name and name != "npm"}
    bare = replace(ready_facts, tools=tools)
    assert not {"chromium", "npm"} & {need.package for need in missing(bare)}
    assert {"chromium", "npm"} <= {need.package for need in missing(bare, for_tests=True)}


FakeApt = Callable[[str], Path]


@pytest.fixture
def fake_apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeApt:
    """Puts an apt-get on the PATH that notes how it is called; returns its notes."""

    def make(body: str) -> Path:
        program = tmp_path / "apt-get"
        program.write_text(f'#!/bin/sh\necho "$1 $DEBIAN_FRONTEND" >> {tmp_path}/calls\n{body}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setattr(apt, "_LISTS", tmp_path / "lists")
        return tmp_path / "calls"

    return make


def test_apt_fetches_its_lists_where_there_are_none(fake_apt: FakeApt) -> None:
    calls = fake_apt("exit 0")
    apt.install(["cpio"])
    assert calls.read_text().split("\n")[:2] == ["update noninteractive", "install noninteractive"]


def test_apt_fetches_old_lists_again(fake_apt: FakeApt, tmp_path: Path) -> None:
    calls = fake_apt(f'[ "$1" = update ] && touch {tmp_path}/fresh; [ -e {tmp_path}/fresh ]')
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/mirror_Packages.lz4").write_text("")
    apt.install(["cpio"])
    assert [line.split()[0] for line in calls.read_text().splitlines()] == ["install", "update", "install"]


def test_apts_last_words_are_kept(fake_apt: FakeApt) -> None:
    fake_apt('[ "$1" = update ] && exit 0; echo "E: Unable to locate package cpio"; exit 100')
    with pytest.raises(BuildError) as caught:
        apt.install(["cpio"])
    assert "Unable to locate" in caught.value.notes[-1]
    assert "cpio" in caught.value.remedy


def test_a_mirror_that_does_not_answer_is_an_error(fake_apt: FakeApt) -> None:
    fake_apt('echo "W: Failed to fetch http://mirror.invalid"; exit 0')
    with pytest.raises(BuildError, match="update failed"):
        apt.install(["cpio"])
