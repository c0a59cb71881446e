"""A small resident parent for bare processes: ``python -m harness.targets.process.spawner``, standard library only.

It is started before t0 and waits, as an init system would, so that a launch costs a fork of a small process and an exec
and nothing of the harness's own size. It reads one JSON line with what to start, answers ``ready``, starts it on the
next line, and answers with JSON lines: ``{"pid": …, "at_ns": …}``, later ``{"ended": …}`` (a wait status as an exit
code, negative for a signal). When its standard input closes, because the harness stopped it or was killed, it kills the
service's whole session and ends: a killed campaign leaves no service behind.

Joining a control group waits for a grace period of the kernel (7 to 15 ms), which is no part of what a process costs.
So the spawner forks a *porter*, which joins the groups, the CPUs and the network before ``ready``; the service is the
porter's child, born where it belongs. The porter ends as soon as it has forked, the spawner adopts the service, and
``pid`` is told only then: from there on the group holds the service alone, in processes and in CPU time. In memory too:
a page is charged to the group of the process that touches it first (version 1 and 2), so what the spawner holds is not
the group's, and the few pages that the porter touched after it had joined went with it.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import sys
import time
from typing import Any, NoReturn

_CLONE_NEWNET = 0x40000000
_PR_SET_CHILD_SUBREAPER = 36


def _join(order: dict[str, Any]) -> None:
    """Enter the control groups, the CPUs and the network that the service is to be born in."""
    for procs_file in order["procs_files"]:
        with open(procs_file, "w") as file:  # noqa: PTH123 - no pathlib here, so that this process stays small
            file.write("0")
    if order["cpuset"]:
        os.sched_setaffinity(0, order["cpuset"])
    if order["netns"]:
        descriptor = os.open(order["netns"], os.O_RDONLY)
        _checked("setns", descriptor, _CLONE_NEWNET)
        os.close(descriptor)
        # As the container engine does it: a service that is not root may listen on port 80 in a network of its own.
        with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", "w") as file:  # noqa: PTH123 - as above
            file.write("0")


def _become(order: dict[str, Any], log: int) -> NoReturn:
    """In the child: change root and user, and exec."""
    os.setsid()
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


def _serve_as_porter(order: dict[str, Any], log: int, tell: int) -> None:
    """Join, say ``ready``, wait for the word, fork the service and tell its pid and moment of birth."""
    _join(order)
    _say({"ready": os.getpid()})
    if not os.read(0, 64):
        return
    pid = os.fork()
    if pid == 0:
        try:
            _become(order, log)
        except OSError as error:
            os.write(log, f"cannot start {order['argv'][0]!r}: {error}\n".encode())
        os._exit(127)
    at_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    os.write(tell, json.dumps({"pid": pid, "at_ns": at_ns}).encode())


def _start(order: dict[str, Any], log: int) -> dict[str, int] | None:
    """Have the porter start the service. None if there was no word, or no way, to start it."""
    answer, tell = os.pipe()
    _checked("prctl", _PR_SET_CHILD_SUBREAPER, 1)
    porter = os.fork()
    if porter == 0:
        try:
            _serve_as_porter(order, log, tell)
        except OSError as error:
            os.write(log, f"cannot lay out the place of {order['argv'][0]!r}: {error}\n".encode())
        os._exit(0)
    os.close(tell)
    os.waitpid(porter, 0)
    # What the service itself leaves behind is the init system's to adopt, as ever.
    _checked("prctl", _PR_SET_CHILD_SUBREAPER, 0)
    born = os.read(answer, 4096)
    return json.loads(born) if born else None


def _checked(function: str, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, function)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), function)


def _say(message: dict[str, int]) -> None:
    os.write(1, json.dumps(message).encode() + b"\n")


def main() -> None:
    """Serve one launch."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    order = json.loads(sys.stdin.readline())
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    words, output = os.pipe()
    if order["user"]:
        # As the container engine does it: a service may open its own /dev/stderr again.
        os.fchown(output, *order["user"][:2])
    born = _start(order, output)
    os.close(output)
    if born is None:
        _copy(words, log)
        return
    _say(born)
    pid = born["pid"]
    ended = os.pidfd_open(pid)
    watched = [0, ended, words]
    while True:
        readable, _, _ = select.select(watched, [], [])
        if words in readable and not _copy(words, log):
            watched.remove(words)
        if ended in readable:
            _kill(pid)
            _, status = os.waitpid(pid, 0)
            _copy(words, log)
            _say({"ended": os.waitstatus_to_exitcode(status)})
            return
        if 0 in readable and not os.read(0, 1):
            # Just born, it does not lead its session yet.
            signal.pidfd_send_signal(ended, signal.SIGKILL)
            _kill(pid)
            os.waitpid(pid, 0)
            _copy(words, log)
            return


def _copy(words: int, log: int) -> bool:
    """Append what the service has printed. False once nobody can print any more."""
    os.set_blocking(words, False)
    while True:
        try:
            text = os.read(words, 65536)
        except BlockingIOError:
            return True
        if not text:
            return False
        os.write(log, text)


def _kill(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return


if __name__ == "__main__":
    main()
