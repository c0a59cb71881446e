"""Builds of root file systems that end too early: nothing half-made, nothing still at work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.artifacts.builders.rootfs import build_workload
from harness.artifacts.cache import artifacts_dir
from harness.errors import BuildError
from harness.spec.files import read_workload
from tests.support.until import until

pytestmark = pytest.mark.timeout(1500)

ROOT = Path(__file__).resolve().parents[3]
HELLO = ROOT / "workloads" / "hello"
BUILD_LIMIT_S = 300


BUILD = """
import sys
from pathlib import Path
from harness.artifacts.builders.rootfs import build_workload
from harness.spec.files import read_workload
folder = Path(sys.argv[1])
build_workload(folder, read_workload(folder))
"""


def test_a_killed_build_leaves_no_entry_no_process_and_is_cleaned_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TARE_CACHE", str(tmp_path))
    builder = subprocess.Popen([sys.executable, "-c", BUILD, str(HELLO)], cwd=ROOT)

    def half_made() -> bool:
        assert builder.poll() is None
        return any(artifacts_dir().glob(".*.partial/tree/var/lib/dpkg/info/*.list"))

    until(half_made, BUILD_LIMIT_S)
    os.kill(builder.pid, signal.SIGKILL)
    builder.wait()
    (stale,) = artifacts_dir().glob(".*.partial")
    until(lambda: not any_process_uses(stale), told=lambda: "the program that filled the tree outlived the harness")
    assert str(stale) not in Path("/proc/mounts").read_text()
    assert [found for found in artifacts_dir().iterdir() if not found.name.startswith(".")] == []

    broken = read_workload(HELLO)
    broken = broken.model_copy(update={"rootfs": broken.rootfs.model_copy(update={"packages": ("no-such-package-x",)})})
    with pytest.raises(BuildError, match="mmdebstrap failed") as caught:
        build_workload(HELLO, broken)
    assert "no-such-package-x" in "".join(caught.value.notes)
    assert list(artifacts_dir().glob(".*.partial")) == []
    assert [found for found in artifacts_dir().iterdir() if not found.name.startswith(".")] == []


def test_a_full_disk_says_so_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TARE_CACHE", str(tmp_path))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300m", "none", tmp_path], check=True)
    try:
        with pytest.raises(BuildError, match="no space left") as caught:
            build_workload(HELLO, read_workload(HELLO))
        assert "TARE_CACHE" in caught.value.remedy
        assert [found for found in artifacts_dir().iterdir() if found.suffix != ".lock"] == []
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def any_process_uses(folder: Path) -> bool:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
            root = (process / "root").readlink()
        except OSError:
            continue
        if os.fsencode(folder) in words or root.is_relative_to(folder):
            return True
    return False
