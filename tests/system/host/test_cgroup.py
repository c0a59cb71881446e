"""Control groups on this host's kernel, whichever version it has: the kernel's own counters are the truth."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from harness.errors import Unavailable
from harness.host.cgroups import detect as cgroup
from harness.host.cgroups.detect import OwnCgroup
from tests.support.in_group import SPINS, spin, start

MIB = 1024 * 1024
NAME = f"tare-test-{os.getpid()}"


@pytest.fixture
def group() -> Iterator[OwnCgroup]:
    cpu = frozenset({max(os.sched_getaffinity(0))})
    with OwnCgroup.create(NAME, memory_bytes=128 * MIB, cpus=1, cpuset=cpu) as made:
        yield made
    assert cgroup.leftovers(NAME) == []


def test_a_process_that_takes_too_much_memory_is_killed(group: OwnCgroup) -> None:
    done = subprocess.run([*group.enter_command(), sys.executable, "-c", "bytearray(256 << 20)"], check=False)
    assert done.returncode == -signal.SIGKILL
    done = subprocess.run([*group.enter_command(), sys.executable, "-c", "bytearray(64 << 20)"], check=False)
    assert done.returncode == 0


def test_memory_is_what_was_allocated(group: OwnCgroup) -> None:
    before = group.reader.memory()
    with start(group, "x = bytearray(40 << 20)\nprint(1, flush=True)\ninput()") as child:
        after = group.reader.memory()
        child.communicate(b"\n")
    assert 40 * MIB <= after.anon - before.anon < 60 * MIB
    assert after.current >= after.anon
    assert after.page_tables > 0
    assert after.peak is None or after.peak >= after.current


def test_cpu_time_is_at_least_what_the_process_says_that_it_used(group: OwnCgroup) -> None:
    """How much more it is: tests/truth/test_cpu_time.py."""
    used_ns = 100_000_000
    with start(group, SPINS.format(ns=used_ns)) as child:
        told_ns = spin(child)
        assert told_ns >= used_ns
        assert group.reader.cpu_ns() >= told_ns
        child.communicate(b"\n")


def test_children_are_members_and_pinned(group: OwnCgroup) -> None:
    program = "import os, subprocess\nc = subprocess.Popen(['sleep', '60'])\nprint(c.pid, flush=True)\ninput()"
    with start(group, program) as child:
        pids = group.reader.pids()
        assert child.pid in pids
        assert len(pids) == 2
        assert all(os.sched_getaffinity(pid) == {max(os.sched_getaffinity(0))} for pid in pids)
        found = cgroup.cgroup_of(child.pid)
        assert found is not None
        assert found.path_name == f"/tare/{NAME}"
        assert found.pids() == pids
        group.kill()
        assert child.wait(5) == -signal.SIGKILL
        assert group.reader.pids() == ()


def test_a_share_of_a_cpu_is_a_quota_and_throttles() -> None:
    cpu = frozenset({max(os.sched_getaffinity(0))})
    with OwnCgroup.create(f"{NAME}-share", memory_bytes=128 * MIB, cpus=0.2, cpuset=cpu) as group:
        program = "import time\nwhile time.process_time() < 0.2: pass"
        subprocess.run([*group.enter_command(), sys.executable, "-c", program], check=True)
        assert group.reader.throttled_periods() > 0


def test_a_whole_cpu_is_never_throttled(group: OwnCgroup) -> None:
    program = "import time\nwhile time.process_time() < 0.3: pass"
    subprocess.run([*group.enter_command(), sys.executable, "-c", program], check=True)
    assert group.reader.throttled_periods() == 0


def test_kill_takes_a_tree_that_ignores_signals(group: OwnCgroup) -> None:
    program = """
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(3): os.fork()
os.setpgid(0, 0)
print(1, flush=True)
signal.pause()
"""
    with start(group, program) as child:
        assert len(group.reader.pids()) > 1
        group.kill()
        assert group.reader.pids() == ()
        assert child.wait(5) == -signal.SIGKILL


def test_a_leftover_is_found_by_name_and_removed_with_its_processes() -> None:
    cpu = frozenset({max(os.sched_getaffinity(0))})
    group = OwnCgroup.create(f"{NAME}-left", memory_bytes=64 * MIB, cpus=1, cpuset=cpu)
    with start(group, "print(1, flush=True)\nimport time\ntime.sleep(60)") as child:
        assert cgroup.leftovers(NAME) == [f"{NAME}-left"]
        cgroup.remove_leftover(f"{NAME}-left")
        assert child.wait(5) == -signal.SIGKILL
    assert cgroup.leftovers(NAME) == []
    cgroup.remove_leftover(f"{NAME}-left")
    assert not any(file.parent.exists() for file in group.procs_files)


def test_a_kernel_that_refuses_a_limit_leaves_nothing_behind() -> None:
    absent = frozenset({max(os.sched_getaffinity(0)) + 500})
    with pytest.raises(Unavailable, match="refuses"):
        OwnCgroup.create(f"{NAME}-bad", memory_bytes=64 * MIB, cpus=1, cpuset=absent)
    assert cgroup.leftovers(NAME) == []


def test_this_processs_own_group_is_read_or_is_the_root() -> None:
    own = cgroup.cgroup_of(os.getpid())
    assert own is None or os.getpid() in own.pids()
