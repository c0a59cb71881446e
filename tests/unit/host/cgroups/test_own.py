from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from harness.errors import Unavailable
from harness.host.cgroups import detect as cgroup
from harness.host.cgroups import v1 as cgroup_v1
from harness.host.cgroups import v2 as cgroup_v2
from harness.host.cgroups.base import Hierarchies, Hierarchy
from harness.host.cgroups.own import OwnCgroup

MIB = 1024 * 1024


def test_v1_limits(tmp_path: Path) -> None:
    folders = {name: tmp_path / name / "tare" / "x" for name in ("memory", "cpu", "cpuacct", "cpuset")}
    for name in folders:
        (tmp_path / name / "tare").mkdir(parents=True)
    for file, value in (("cpuset.cpus", "0-3\n"), ("cpuset.mems", "0-1\n")):
        (tmp_path / "cpuset" / file).write_text(value)
        (tmp_path / "cpuset/tare" / file).write_text("\n")
    cgroup_v1.make(folders, 256 * MIB, 0.5, frozenset({3, 2}))
    assert (folders["memory"] / "memory.limit_in_bytes").read_text() == str(256 * MIB)
    assert (tmp_path / "cpuset/tare/cpuset.cpus").read_text() == "0-3"
    assert (folders["cpuset"] / "cpuset.cpus").read_text() == "2,3"
    assert (folders["cpuset"] / "cpuset.mems").read_text() == "0-1"
    assert (folders["cpu"] / "cpu.cfs_quota_us").read_text() == "50000"
    assert (folders["cpu"] / "cpu.cfs_period_us").read_text() == "100000"


@pytest.fixture
def v2_root(tmp_path: Path) -> Path:
    """A hierarchy whose files a test may look at, as far as plain files go."""
    (tmp_path / "tare").mkdir()
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    for folder in (tmp_path, tmp_path / "tare"):
        (folder / "cgroup.subtree_control").write_text("cpu\n")
    return tmp_path


def test_v2_limits(v2_root: Path) -> None:
    folder = v2_root / "tare/x"
    cgroup_v2.make(folder, 256 * MIB, 1.5, frozenset({1, 2}))
    assert (v2_root / "cgroup.subtree_control").read_text() == "+memory +cpuset"
    assert (folder / "memory.max").read_text() == str(256 * MIB)
    assert (folder / "cpuset.cpus").read_text() == "1,2"
    assert (folder / "cpu.max").read_text() == "150000 100000"


def test_whole_cpus_get_no_quota(v2_root: Path) -> None:
    cgroup_v2.make(v2_root / "tare/x", 256 * MIB, 2.0, frozenset({1, 2}))
    assert not (v2_root / "tare/x/cpu.max").exists()


def test_leftovers_are_ours_alone(v2_root: Path) -> None:
    for name in ("tare-a-1", "tare-b", "other"):
        (v2_root / "tare" / name).mkdir()
    (v2_root / "tare-a-outside").mkdir()
    layout = Hierarchies("2", {}, Hierarchy(v2_root), Path("/proc"))
    assert cgroup.leftovers("tare-a", layout) == ["tare-a-1"]
    assert cgroup.leftovers("tare-", layout) == ["tare-a-1", "tare-b"]


def test_removal_is_idempotent_and_spares_what_is_not_empty(tmp_path: Path) -> None:
    (tmp_path / "tare/gone/below").mkdir(parents=True)
    (tmp_path / "tare/other").mkdir()
    group = OwnCgroup("gone", Hierarchies("2", {}, Hierarchy(tmp_path), Path("/proc")))
    group.remove()
    group.remove()
    assert [child.name for child in (tmp_path / "tare").iterdir()] == ["other"]
    OwnCgroup("other", Hierarchies("2", {}, Hierarchy(tmp_path), Path("/proc"))).remove()
    assert not (tmp_path / "tare").exists()


def test_the_command_joins_every_folder_and_keeps_its_words(tmp_path: Path) -> None:
    layout = Hierarchies("2", {}, Hierarchy(tmp_path), Path("/proc"))
    group = OwnCgroup("x", layout)
    group.procs_files[0].parent.mkdir(parents=True)
    done = subprocess.run([*group.enter_command(), "printf", "%s|", "a b", "$HOME"], capture_output=True, check=True)
    assert done.stdout == b"a b|$HOME|"
    assert group.procs_files[0].read_text() == "0\n"


def test_a_command_that_cannot_join_does_not_run(tmp_path: Path) -> None:
    group = OwnCgroup("missing", Hierarchies("2", {}, Hierarchy(tmp_path), Path("/proc")))
    done = subprocess.run([*group.enter_command(), "echo", "ran"], capture_output=True, check=False)
    assert done.returncode == 125
    assert done.stdout == b""


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "x'y"])
def test_names_that_could_be_paths_or_words_are_refused(name: str, tmp_path: Path) -> None:
    layout = Hierarchies("2", {}, Hierarchy(tmp_path), Path("/proc"))
    with pytest.raises(ValueError, match="not usable"):
        OwnCgroup.create(name, memory_bytes=MIB, cpus=1, cpuset=frozenset({0}), at=layout)


def test_obstacles_name_the_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proc = Path("/proc")
    assert "mount -t cgroup2" in (cgroup.obstacle(Hierarchies("none", {}, None, proc)) or ("", ""))[1]
    v2 = Hierarchies("2", {}, Hierarchy(tmp_path), proc)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "sudo" in (cgroup.obstacle(v2) or ("", ""))[1]
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (tmp_path / "cgroup.controllers").write_text("cpu\n")
    assert "memory, cpuset" in (cgroup.obstacle(v2) or ("", ""))[0]
    (tmp_path / "cgroup.controllers").write_text("cpu memory cpuset\n")
    assert cgroup.obstacle(v2) is None
    v1 = Hierarchies("1", {"memory": Hierarchy(tmp_path), "cpuacct": Hierarchy(tmp_path)}, None, proc)
    assert "-o cpu " in (cgroup.obstacle(v1) or ("", ""))[1]
    with pytest.raises(Unavailable):
        OwnCgroup.create("x", memory_bytes=MIB, cpus=1, cpuset=frozenset({0}), at=v1)
