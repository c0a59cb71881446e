"""The harness's side of the spawner: order a process, learn its pid and its end, end its whole session."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from harness.clock import NS_PER_S, now_ns
from harness.errors import DeployError
from harness.host.processes import born, has_ended
from harness.runtime import child

_ANSWER_LIMIT_S = 60
_CLOSE_LIMIT_S = 10
_END_LIMIT_S = 10


class Spawner:
    """One spawner and the one service that it starts."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.order = order
        self._ended: int | None = None
        self._child = child.Child(
            child.module("harness.targets.process.spawner"), env=child.environment(), keeps_stderr=False
        )
        try:
            self._child.send(json.dumps(order))
            ready = "ready" in self._receive()
        except BaseException:
            # An interrupt: nobody else knows the child yet, and it is about to enter the instance's control group.
            self.close()
            raise
        if not ready:
            raise self._failed("The spawner did not get ready.", "Read the log below.")

    @property
    def pid(self) -> int:
        """The spawner's own pid."""
        return self._child.pid

    def start(self) -> tuple[int, int]:
        """Start the service. Returns its pid and when it existed."""
        self._child.send("go")
        answer = self._receive()
        if "pid" not in answer:
            raise self._failed("The service's process could not be started.", "Check memory and process limits.")
        return answer["pid"], answer["at_ns"]

    def ended(self) -> int | None:
        """The service's exit code once it has ended."""
        # Whoever was interrupted has left earlier answers unread.
        while self._ended is None and (line := self._child.receive(now_ns())):
            self._ended = json.loads(line).get("ended")
        return self._ended

    def close(self) -> None:
        """End the service and the spawner. Idempotent."""
        self._child.close_input()
        self._child.wait(_CLOSE_LIMIT_S)
        self.ended()
        self._child.end()

    def _failed(self, what: str, remedy: str) -> DeployError:
        self.close()
        error = DeployError(what, remedy)
        log = Path(self.order["log"])
        error.add_note(log.read_text("utf-8", "replace") if log.exists() else "(it logged nothing)")
        return error

    def _receive(self) -> dict[str, int]:
        line = self._child.receive(now_ns() + _ANSWER_LIMIT_S * NS_PER_S)
        answer: dict[str, int] = json.loads(line) if line else {}
        return answer


def session(leader: int) -> list[int]:
    """The processes of a session that have not ended, by the kernel's process table."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if os.getsid(int(entry.name)) == leader and not _is_zombie(entry):
                found.append(int(entry.name))
        except ProcessLookupError:
            continue
    return found


def session_has_ended(leader: int) -> bool:
    """Wait for the end of every process of a session. False if one is left after 10 s."""
    deadline_ns = now_ns() + _END_LIMIT_S * NS_PER_S
    while pids := session(leader):
        for pid, since in born(pids):
            has_ended(pid, since, max(0.0, (deadline_ns - now_ns()) / NS_PER_S))
        if now_ns() > deadline_ns:
            return not session(leader)
    return True


def _is_zombie(entry: Path) -> bool:
    try:
        return (entry / "stat").read_text().rsplit(")", 1)[1].split()[0] in ("Z", "X")
    except OSError:
        return True


def command(pid: int) -> str:
    """The process's name, as the kernel has it."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "?"


def parent(pid: int) -> int:
    """The parent's pid; 0 if the process is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0
