"""Processes that a run started, found by the mark that they inherited, and ended by id and start time."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Iterable
from pathlib import Path

MARK = "TARE_RUN"
"""The environment variable that every child of a campaign inherits; its value is the campaign's name."""

_END_LIMIT_S = 10


def marked(keep: frozenset[int], proc: Path = Path("/proc")) -> list[tuple[int, str, int]]:
    """(pid, command, start time in clock ticks) of every process that carries the mark, except ``keep``."""
    found = []
    for entry in proc.iterdir():
        if not entry.name.isdigit() or int(entry.name) in keep:
            continue
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
            if any(variable.startswith(f"{MARK}=".encode()) for variable in environment):
                found.append((int(entry.name), (entry / "comm").read_text().strip(), start_time(int(entry.name), proc)))
        except OSError:
            continue  # it ended meanwhile, or belongs to another user and so is not ours
    return found


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
