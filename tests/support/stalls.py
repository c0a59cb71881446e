"""How often the host let a CPU wait: what a sleep to the next millisecond took there, before every other process.

A hypervisor that gives this machine's CPUs to somebody else makes every wake-up late, and no process of this machine
can tell that from a late one of its own. So a bound on lateness is tested beside this: ``python stalls.py CPU`` prints
``ready``, sleeps to each millisecond until its standard input ends, and prints the share that came late.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

EVERY_NS = 1_000_000
LATE_NS = 250_000
"""A quarter of the millisecond that a packet's way may be late: it wakes four processes or fewer."""

PRIORITY = 50
"""Above all that the harness runs, so only the host makes it late."""


class Stalls:
    """``share``: of the wake-ups, on the CPU with most of them, since the watch began; 0 until it has ended."""

    share = 0.0


@contextmanager
def watched() -> Iterator[Stalls]:
    """All CPUs of this process, as long as the context lasts."""
    found = Stalls()
    with ExitStack() as stack:
        watches = []
        for cpu in sorted(os.sched_getaffinity(0)):
            command = [sys.executable, "-I", "-S", __file__, str(cpu)]
            watch = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            watches.append(stack.enter_context(watch))
            stack.callback(watch.kill)
        for watch in watches:
            assert watch.stdout is not None
            assert watch.stdout.readline() == "ready\n"
        yield found
        found.share = max(float(watch.communicate(timeout=10)[0]) for watch in watches)


def main(cpu: str) -> None:
    os.sched_setaffinity(0, {int(cpu)})
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    print("ready", flush=True)
    count = late = 0
    due_ns = time.monotonic_ns()
    while not select.select([0], [], [], 0)[0]:
        due_ns += EVERY_NS
        time.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
        count += 1
        late += time.monotonic_ns() - due_ns > LATE_NS
    print(late / max(1, count))


if __name__ == "__main__":
    main(*sys.argv[1:])
