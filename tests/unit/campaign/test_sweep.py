"""What a sweep finds: exactly ours, by names, dependants first."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest

from harness.campaign import sweep
from harness.errors import DeployError
from harness.host.cgroups import detect as cgroup
from harness.lab import forwarding, namespace
from harness.targets.api import Leftover
from tests.support.fakes import FakeTarget

STRANGERS = ("docker0", "mine", "atare-1", "Tare-1")


class LeavesTwo(FakeTarget):
    """Knows of two things of its own; told by prefix."""

    def leftovers(self, prefix: str) -> Sequence[Leftover]:
        return [Leftover("container", f"{prefix}c1", lambda: None), Leftover("container", f"{prefix}c2", lambda: None)]


@pytest.fixture
def removed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """A host with something of every kind; what is removed is listed."""
    gone: list[str] = []

    def remover(kind: str) -> Callable[..., None]:
        return lambda what, *_more: gone.append(f"{kind} {what}")

    def starting(names: Sequence[str]) -> Callable[[str], list[str]]:
        return lambda prefix: [name for name in names if name.startswith(prefix)]

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(sweep, "run_dir", lambda: tmp_path)
    monkeypatch.setattr(sweep, "marked", lambda keep: [(7, "locust", 99)] if os.getpid() in keep else [])
    monkeypatch.setattr(sweep, "end", remover("process"))
    monkeypatch.setattr(sweep, "mounts_below", lambda folder: [f"{folder}/tare-a/root", str(folder)])
    monkeypatch.setattr(sweep, "unmount", remover("mount"))
    monkeypatch.setattr(namespace, "names", lambda: ["tare-a-client", *STRANGERS])
    monkeypatch.setattr(namespace, "remove", remover("namespace"))
    monkeypatch.setattr(sweep, "links", starting(["tareabc-br", "tareabc-10", *STRANGERS]))
    monkeypatch.setattr(sweep, "remove_link", remover("link"))
    monkeypatch.setattr(forwarding, "bridges_with_rule", starting(["tareabc-br", *STRANGERS]))
    monkeypatch.setattr(forwarding, "drop_rule", remover("rule"))
    monkeypatch.setattr(cgroup, "leftovers", starting(["tare-a-svc", *STRANGERS]))
    monkeypatch.setattr(cgroup, "remove_leftover", remover("group"))
    (tmp_path / "tare-a" / "upper").mkdir(parents=True)
    (tmp_path / "engines").mkdir()
    (tmp_path / "tare-file").write_text("not a folder")
    (tmp_path / "lock").write_text("")
    return gone


def found() -> list[Leftover]:
    return sweep.leftovers([LeavesTwo(), FakeTarget()])


def test_everything_of_ours_is_found_and_nothing_else_with_dependants_first(removed: list[str], tmp_path: Path) -> None:
    assert [f"{each.kind} {each.name}" for each in found()] == [
        "process 7 (locust)",
        "container tare-c1",
        "container tare-c2",
        f"mount {tmp_path}/tare-a/root",
        "namespace tare-a-client",
        "link tareabc-br",
        "link tareabc-10",
        "iptables rule tareabc-br",
        "control group tare-a-svc",
        f"folder {tmp_path}/tare-a",
    ]
    assert removed == []


def test_each_is_removed_by_its_own_name(removed: list[str], tmp_path: Path) -> None:
    for leftover in found():
        leftover.remove()
    assert removed == [
        "process 7",
        f"mount {tmp_path}/tare-a/root",
        "namespace tare-a-client",
        "link tareabc-br",
        "link tareabc-10",
        "rule tareabc-br",
        "group tare-a-svc",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["engines", "lock", "tare-file"]


def test_without_root_only_processes_and_folders_can_be_left(
    removed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    no = partial(refuse, "only root may ask")
    monkeypatch.setattr(forwarding, "bridges_with_rule", no)
    monkeypatch.setattr(LeavesTwo, "leftovers", no)
    assert [each.kind for each in found()] == ["process", "folder"]
    assert removed == []


def refuse(what: str, *_arguments: object) -> list[str]:
    raise DeployError(what, "Be root.")
