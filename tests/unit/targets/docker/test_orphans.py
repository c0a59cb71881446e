"""Which processes belong to a container, by what the kernel shows of them."""

from __future__ import annotations

from pathlib import Path

from harness.targets.docker.orphans import processes_of

ID = "3f" * 32
OTHER = "4e" * 32
SHIM = "/usr/bin/containerd-shim-runc-v2\0-namespace\0moby\0-id\0{}\0-address\0/run/containerd.sock\0"


def process(proc: Path, pid: int, group: str, command: str) -> None:
    folder = proc / str(pid)
    folder.mkdir()
    (folder / "stat").write_text(f"{pid} (a) b) S {' '.join(['0'] * 18)} {pid * 10} 0")
    (folder / "cgroup").write_text(group)
    (folder / "cmdline").write_text(command)


def test_its_processes_by_their_group_and_its_shim_by_its_arguments_last(tmp_path: Path) -> None:
    process(tmp_path, 11, "0::/\n", SHIM.format(ID))
    process(tmp_path, 12, f"4:memory:/docker/{ID}\n1:cpu:/docker/{ID}\n", "httpd\0")
    process(tmp_path, 13, f"0::/system.slice/docker-{ID}.scope\n", "")
    process(tmp_path, 21, "0::/\n", SHIM.format(OTHER))
    process(tmp_path, 22, f"0::/docker/{OTHER}\n", "httpd\0")
    process(tmp_path, 23, "0::/user.slice\n", f"docker\0logs\0{ID}\0")
    process(tmp_path, 24, "0::/user.slice\n", f"less\0containerd-shim {ID}\0")
    (tmp_path / "31").mkdir()
    (tmp_path / "meminfo").write_text("")
    found = processes_of(ID, tmp_path)
    assert sorted(found[:-1]) == [(12, 120), (13, 130)]
    assert found[-1] == (11, 110)
