"""Python programs in a control group of their own."""

from __future__ import annotations

import subprocess
import sys

from harness.host.cgroups.detect import OwnCgroup


def start(group: OwnCgroup, program: str) -> subprocess.Popen[bytes]:
    """A program in the group, that has said that it is ready."""
    child = subprocess.Popen(
        [*group.enter_command(), sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    assert child.stdout.readline()
    return child


SPINS = """
import time
begin_ns = time.process_time_ns()
print("ready", flush=True)
input()
while time.process_time_ns() < begin_ns + {ns}: pass
print(time.process_time_ns() - begin_ns, flush=True)
input()
"""


def spin(child: subprocess.Popen[bytes]) -> int:
    """Let a program of ``SPINS`` use its CPU time; how much it says that was, in ns."""
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(b"\n")
    child.stdin.flush()
    return int(child.stdout.readline())
