"""Processes that a run started, found by the mark that they inherited, and ended by id and start time."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Iterable
from pathlib import Path

import psutil

MARK = "TARE_RUN"
"""The environment variable that every child of a run inherits; its value is the run's process id."""

_END_LIMIT_S = 10


def marked(keep: frozenset[int] = frozenset(), proc: Path = Path("/proc")) -> list[tuple[int, str, int]]:
    """(pid, command, start time in clock ticks) of every process of this user that carries the mark, except ``keep``.

    Another user's campaign is not ours to end, even where root could read the mark.
    """
    found = []
    for entry in proc.iterdir():
        if not entry.name.isdigit() or int(entry.name) in keep:
            continue
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
            if (
                any(variable.startswith(f"{MARK}=".encode()) for variable in environment)
                and _user(entry) == os.getuid()
            ):
                found.append((int(entry.name), (entry / "comm").read_text().strip(), start_time(int(entry.name), proc)))
        except OSError:
            continue  # it ended meanwhile, or may not be read and so is not ours
    return found


def lineage() -> frozenset[int]:
    """This process and its ancestors."""
    return frozenset({os.getpid(), *(parent.pid for parent in psutil.Process().parents())})


def _user(entry: Path) -> int:
    """The real user id. (The folder's owner is root where a process may not be dumped.)"""
    lines = (entry / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Uid:"))


def start_time(pid: int, proc: Path = Path("/proc")) -> int:
    """When a process began, in clock ticks since boot: with the pid it names one process for ever."""
    return int((proc / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()[19])


def born(pids: Iterable[int]) -> list[tuple[int, int]]:
    """Each pid with its start time; those that have gone are left out."""
    found = []
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            found.append((pid, start_time(pid)))
    return found


def has_ended(pid: int, since: int, limit_s: float = _END_LIMIT_S) -> bool:
    """Wait for the end of the process of that pid that began at ``since``. False if it still runs at the limit."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return start_time(pid) != since or bool(select.select([handle], [], [], limit_s)[0])
    except (ProcessLookupError, FileNotFoundError):
        return True
    finally:
        os.close(handle)


def ask_to_end(pid: int, since: int, grace_s: float) -> bool:
    """SIGTERM to the process of that pid that began at ``since``. Whether it has ended after ``grace_s`` or before."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        if start_time(pid) == since:
            signal.pidfd_send_signal(handle, signal.SIGTERM)
    except (ProcessLookupError, FileNotFoundError):
        return True
    finally:
        os.close(handle)
    return has_ended(pid, since, grace_s)


def end(pid: int, since: int) -> None:
    """Kill the process of that pid if it is still the one that began at ``since``, and wait until it is gone."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if start_time(pid) == since:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            select.select([handle], [], [], _END_LIMIT_S)
    except (ProcessLookupError, FileNotFoundError):
        return
    finally:
        os.close(handle)
