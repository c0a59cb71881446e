from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from harness.probes.cpu import CpuReading, ProcessTime, descendants, process_times, used

SECOND = 1_000_000_000


def stat(proc: Path, pid: int, parent: int, times: tuple[int, int, int, int], since: int) -> None:
    (proc / str(pid)).mkdir(parents=True, exist_ok=True)
    utime, stime, cutime, cstime = times
    middle = "0 0 0 0 0 0 0 0 0"
    (proc / str(pid) / "stat").write_text(
        f"{pid} (a (b) c) S {parent} {middle} {utime} {stime} {cutime} {cstime} 20 0 1 0 {since} 0\n"
    )


def test_times_are_read_by_pid_and_start(tmp_path: Path) -> None:
    stat(tmp_path, 7, 1, (100, 50, 20, 10), since=555)
    assert process_times([7, 8], tmp_path) == {(7, 555): ProcessTime(1_500_000_000, 300_000_000)}


def test_descendants_are_the_whole_tree(tmp_path: Path) -> None:
    for pid, parent in ((1, 0), (5, 1), (6, 5), (7, 6), (8, 1)):
        stat(tmp_path, pid, parent, (0, 0, 0, 0), since=pid)
    assert descendants(5, tmp_path) == {5, 6, 7}


def test_used_counts_new_processes_whole_and_ended_ones_through_their_parent() -> None:
    before = CpuReading(
        1 * SECOND, 10, {(1, 1): ProcessTime(100, 0), (2, 1): ProcessTime(1_000, 0), (3, 1): ProcessTime(500, 0)}
    )
    # 2 has ended and 1 has waited for it; 3's pid is used anew; 4 is new.
    after = CpuReading(
        3 * SECOND, 4_010, {(1, 1): ProcessTime(150, 1_200), (3, 9): ProcessTime(30, 0), (4, 1): ProcessTime(7, 0)}
    )
    cpu = used(before, after)
    assert cpu.processes_ns == 50 + 1_200 + 30 + 7
    assert cpu.cgroup_ns == 4_000
    assert cpu.window_ns == 2 * SECOND


def test_without_a_group_there_is_no_groups_figure() -> None:
    assert used(CpuReading(0, None), CpuReading(5, 100)).cgroup_ns is None


def test_the_kernels_clock_of_another_process_is_no_less_than_its_own() -> None:
    program = (
        "import os, time\nwhile time.process_time() < 0.2: pass\nprint(time.process_time_ns(), flush=True)\ninput()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        told_ns = int(child.stdout.readline())
        ((process, found),) = process_times([child.pid]).items()
        child.communicate(b"\n")
    assert process[0] == child.pid
    assert found.own_ns >= told_ns


def test_a_tree_includes_its_children() -> None:
    with subprocess.Popen(["sleep", "30"]) as child:
        assert {os.getpid(), child.pid} <= descendants(os.getpid())
        child.kill()


def test_own_time_moves_with_the_process_clock() -> None:
    pid = os.getpid()
    before = process_times([pid])
    begin_ns = time.process_time_ns()
    while time.process_time_ns() < begin_ns + 50_000_000:
        pass
    moved_ns = used(CpuReading(0, None, before), CpuReading(1, None, process_times([pid]))).processes_ns
    assert moved_ns > 45_000_000
