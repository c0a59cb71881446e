"""A small resident parent for bare processes: ``python -m harness.targets.spawner``, standard library only.

It is started before t0 and waits, as an init system would, so that a launch costs a fork of a small process and an exec
and nothing of the harness's own size. It reads one JSON line with what to start, answers ``ready``, starts it on the next
line, and answers with JSON lines: ``{"pid": …, "at_ns": …}``, later ``{"ended": …}`` (a wait status as an exit code,
negative for a signal). When its standard input closes, because the harness stopped it or was killed, it kills the
service's whole session and ends: a killed campaign leaves no service behind.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import sys
import time
from typing import Any

_CLONE_NEWNET = 0x40000000


def _become(order: dict[str, Any], log: int) -> None:
    """In the child: join the control groups and the network, change root and user, and exec."""
    os.setsid()
    for procs_file in order["procs_files"]:
        with open(procs_file, "w") as file:  # noqa: PTH123 - pathlib costs milliseconds in the measured interval
            file.write("0")
    if order["cpuset"]:
        os.sched_setaffinity(0, order["cpuset"])
    if order["netns"]:
        descriptor = os.open(order["netns"], os.O_RDONLY)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(descriptor, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {order['netns']}")
        os.close(descriptor)
    if order["root"]:
        os.chroot(order["root"])
    os.chdir(order["workdir"])
    if order["user"]:
        uid, gid, groups = order["user"]
        os.setgroups(groups)
        os.setgid(gid)
        os.setuid(uid)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    for caught in (signal.SIGPIPE, signal.SIGINT):
        signal.signal(caught, signal.SIG_DFL)
    os.execvpe(order["argv"][0], order["argv"], order["env"])


def _start(order: dict[str, Any], log: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        _become(order, log)
    except OSError as error:
        os.write(log, f"cannot start {order['argv'][0]!r}: {error}\n".encode())
    os._exit(127)


def _say(message: dict[str, int]) -> None:
    os.write(1, json.dumps(message).encode() + b"\n")


def main() -> None:
    """Serve one launch."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    order = json.loads(sys.stdin.readline())
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    _say({"ready": os.getpid()})
    if not sys.stdin.readline():
        return
    pid = _start(order, log)
    _say({"pid": pid, "at_ns": time.clock_gettime_ns(time.CLOCK_MONOTONIC)})
    ended = os.pidfd_open(pid)
    while True:
        readable, _, _ = select.select([0, ended], [], [])
        if ended in readable:
            _, status = os.waitpid(pid, 0)
            _say({"ended": os.waitstatus_to_exitcode(status)})
            break
        if not os.read(0, 1):
            break
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


if __name__ == "__main__":
    main()
