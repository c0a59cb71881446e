"""One campaign at a time on a host."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import ExitCode, Unavailable
from harness.runtime import locks
from harness.runtime.locks import host_lock

HOLDER = """
import sys
from pathlib import Path
from harness.runtime import locks
locks.run_dir = lambda: Path(sys.argv[1])
with locks.host_lock("another campaign"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(locks, "run_dir", lambda: tmp_path)
    return tmp_path


def test_a_second_one_is_refused_and_told_who_holds_the_host() -> None:
    with host_lock("tare run a.toml"):
        with pytest.raises(Unavailable) as caught, host_lock("tare run b.toml"):
            pass
        assert f"tare run a.toml (pid {os.getpid()})" in caught.value.what
        assert caught.value.exit_code is ExitCode.UNAVAILABLE
    with host_lock("tare run b.toml"):
        pass


def test_a_failure_frees_it() -> None:
    with pytest.raises(RuntimeError, match="boom"), host_lock("tare run"):
        raise RuntimeError("boom")
    with host_lock("tare run"):
        pass


def test_a_shorter_purpose_leaves_nothing_of_a_longer_one(folder: Path) -> None:
    with host_lock("a very long purpose that somebody had"):
        pass
    with host_lock("short"):
        assert (folder / "lock").read_text() == f"short (pid {os.getpid()})"


def test_the_kernel_frees_what_a_killed_run_held(folder: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(Unavailable, match=f"another campaign .pid {holder.pid}"), host_lock("tare run"):
            pass
        holder.kill()
        holder.wait()
        with host_lock("tare run"):
            pass
