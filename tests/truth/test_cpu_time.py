"""CPU time as the harness reads it, against what the process that used it says, and against its quota."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count

import pytest

from harness.clock import NS_PER_MS, now_ns
from harness.host.cgroups.detect import OwnCgroup
from harness.probes.cpu import process_times
from tests.support.in_group import SPINS, spin, start
from tests.support.truth import Truth
from tests.support.undisturbed import undisturbed
from tests.truth.conftest import Weigh

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

MIB = 1024 * 1024
CPU = frozenset({max(os.sched_getaffinity(0))})
USED_NS = 200_000_000
QUOTA = 0.2


@pytest.fixture
def names() -> Iterator[str]:
    """For groups."""
    return (f"tare-test-{os.getpid()}-truth-{number}" for number in count())


def test_cpu_time_is_what_the_process_says(weigh: Weigh, names: Iterator[str]) -> None:
    """Of the group, and of the process: what it uses to say so, and to begin, is no part of its own figure."""

    def once() -> tuple[float, float]:
        with (
            OwnCgroup.create(next(names), memory_bytes=128 * MIB, cpus=1, cpuset=CPU) as group,
            start(group, SPINS.format(ns=USED_NS)) as child,
        ):
            before_ns = group.reader.cpu_ns()
            ((key, before),) = process_times([child.pid]).items()
            told_ns = spin(child)
            by_group_ns = group.reader.cpu_ns() - before_ns
            by_process_ns = process_times([child.pid])[key].own_ns - before.own_ns
            child.communicate(b"\n")
        return (by_group_ns - told_ns) / NS_PER_MS, (by_process_ns - told_ns) / NS_PER_MS

    truths = (
        Truth("CPU time of a group, beyond what its process says of 200 ms", "ms", -1, 1, within=0.5),
        Truth("CPU time of a process, beyond what it says of 200 ms", "ms", -1, 1, within=0.5),
    )
    weigh(truths, once, budget_s=20)


def test_a_quota_gives_its_share_and_no_more(weigh: Weigh, names: Iterator[str]) -> None:
    """0.2 of a CPU: 20 ms in each period of 100 ms, so the 200 ms take ten periods, the first one's rest left over."""

    def once() -> tuple[float]:
        with (
            OwnCgroup.create(next(names), memory_bytes=128 * MIB, cpus=QUOTA, cpuset=CPU) as group,
            start(group, SPINS.format(ns=USED_NS)) as child,
        ):
            begin_ns, before_ns = now_ns(), group.reader.cpu_ns()
            spin(child)
            share = (group.reader.cpu_ns() - before_ns) / (now_ns() - begin_ns)
            child.communicate(b"\n")
        return (share,)

    truth = Truth("CPU time under a quota of 0.2 CPU, a second", "", QUOTA * 0.9, QUOTA * 1.15, within=0.02)
    weigh((truth,), once, budget_s=30, watch=undisturbed)
