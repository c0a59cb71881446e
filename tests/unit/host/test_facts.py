from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.host import facts
from harness.host.provisioning import engines
from harness.host.provisioning.engines import EngineFact, docker_engine, libvirt_answers, qemu_version, socket_problem


def test_collect_is_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TARE_CACHE", str(tmp_path))
    monkeypatch.setattr(facts, "docker_engine", lambda: EngineFact("1.2", parts={"runc": "3.4"}))
    monkeypatch.setattr(facts, "libvirt_engine", lambda: EngineFact(None, "not here"))
    found = facts.collect()
    assert found.kernel == os.uname().release
    assert found.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert found.cpus == os.sched_getaffinity(0)
    assert found.root == (os.geteuid() == 0)
    assert 0 < found.memory_available < found.memory_total
    assert found.disk_free
    assert 0 <= found.other_busy_share <= 1
    assert found.engine_versions["runc"] == "3.4"
    assert found.libvirt.reason == "not here"


def test_a_cache_that_cannot_be_made_is_no_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TARE_CACHE", str(tmp_path / "file" / "below"))
    monkeypatch.setattr(facts, "docker_engine", lambda: EngineFact(None))
    monkeypatch.setattr(facts, "libvirt_engine", lambda: EngineFact(None))
    assert facts.collect().disk_free is None


def test_an_engine_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    found = docker_engine()
    assert found.version is None
    assert "none.sock" in found.reason


def test_an_engine_of_another_machine_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://198.18.0.9:2375")
    assert "another machine" in docker_engine().reason


def test_without_the_library_a_listening_socket_is_the_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(engines, "libvirt_engine", lambda: EngineFact(None, "no library", installed=False))
    assert not libvirt_answers(tmp_path / "socket")
    monkeypatch.setattr(engines, "socket_problem", lambda _path: None)
    assert libvirt_answers(tmp_path / "socket")
    monkeypatch.setattr(engines, "libvirt_engine", lambda: EngineFact(None, "refused"))
    assert not libvirt_answers(tmp_path / "socket")


def test_nobody_listens_at_a_plain_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert str(tmp_path / "file") in (socket_problem(tmp_path / "file") or "")


def test_qemu_says_its_version(tmp_path: Path) -> None:
    program = tmp_path / "qemu"
    program.write_text("#!/bin/sh\necho 'QEMU emulator version 7.2.22 (Debian 1:7.2)'\n")
    program.chmod(0o755)
    assert qemu_version(str(program)) == "7.2.22"
    assert qemu_version(str(tmp_path / "gone")) is None
    assert qemu_version(None) is None
