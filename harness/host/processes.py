"""Processes that a run started, found by the mark that they inherited, and ended by id and start time."""

from __future__ import annotations

import os
import select
import signal
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
