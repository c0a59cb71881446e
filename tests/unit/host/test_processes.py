"""Which processes count as ours, and how they are ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.host.processes import MARK, born, end, has_ended, lineage, marked, start_time


def sleeper(**environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", "print('up', flush=True)\nimport time\ntime.sleep(60)"],
        stdout=subprocess.PIPE,
        env={"PATH": os.defpath, **environment},
    )


@pytest.fixture
def ours() -> Iterator[subprocess.Popen[bytes]]:
    with sleeper(**{MARK: "1"}) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def entry(proc: Path, pid: int, environment: bytes, uid: int) -> None:
    folder = proc / str(pid)
    folder.mkdir(parents=True)
    (folder / "environ").write_bytes(environment)
    (folder / "comm").write_text("locust\n")
    (folder / "stat").write_text(f"{pid} (a) b) S {' '.join(['0'] * 18)} {pid * 10} 0 0\n")
    (folder / "status").write_text(f"Name:\tlocust\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\nGid:\t0\t0\t0\t0\n")


def test_what_carries_the_mark_and_runs_as_this_user_is_ours(tmp_path: Path) -> None:
    me = os.getuid()
    entry(tmp_path, 1, b"PATH=/bin\0TARE_RUN=7\0HOME=/", me)
    entry(tmp_path, 2, b"PATH=/bin\0HOME=/", me)
    entry(tmp_path, 3, b"NOT_TARE_RUN=7\0TARE_RUNNER=7\0PATH=TARE_RUN=", me)
    entry(tmp_path, 4, b"TARE_RUN=7", me + 1)
    entry(tmp_path, 5, b"TARE_RUN=", me)
    entry(tmp_path, 6, b"TARE_RUN=7", me)
    (tmp_path / "7").mkdir()
    (tmp_path / "self").mkdir()
    assert sorted(marked(frozenset({6}), tmp_path)) == [(1, "locust", 10), (5, "locust", 50)]


def test_a_real_one_is_found_and_ended(ours: subprocess.Popen[bytes]) -> None:
    since = start_time(ours.pid)
    assert born([ours.pid]) == [(ours.pid, since)]
    assert (ours.pid, since) in [(pid, start) for pid, _, start in marked()]
    assert ours.pid not in [pid for pid, _, _ in marked(frozenset({ours.pid}))]
    assert not has_ended(ours.pid, since, 0)
    end(ours.pid, since)
    assert has_ended(ours.pid, since)
    assert ours.wait(10) == -signal.SIGKILL
    end(ours.pid, since)
    assert born([ours.pid]) == []


def test_a_pid_that_another_process_has_got_meanwhile_is_left_alone(ours: subprocess.Popen[bytes]) -> None:
    end(ours.pid, start_time(ours.pid) - 1)
    assert ours.poll() is None
    assert has_ended(ours.pid, start_time(ours.pid) - 1, 0)


def test_who_runs_the_sweep_never_sweeps_itself_away(tmp_path: Path) -> None:
    assert {os.getpid(), os.getppid()} <= lineage()
    entry(tmp_path, os.getpid(), b"TARE_RUN=1", os.getuid())
    entry(tmp_path, os.getppid(), b"TARE_RUN=1", os.getuid())
    assert marked(lineage(), tmp_path) == []
    assert len(marked(proc=tmp_path)) == 2
