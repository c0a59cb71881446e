"""Child processes that are spoken to line by line: placed, started, given orders, waited for, ended.

A child's standard input carries its orders and its standard output its answers, a line each. Its input ends when its
parent is gone, also when the parent was killed; a child that reads its input until the end therefore outlives nobody.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.clock import NS_PER_S, now_ns

_ROOT = str(Path(__file__).resolve().parents[2])
_BARE = "import sys; sys.path.append(sys.argv.pop(1)); from {module} import main; main()"
_STDERR_KEPT = 2000


def module(name: str, *arguments: str) -> list[str]:
    """The command that runs a module of ours with everything that is installed. Goes with ``environment``."""
    return [sys.executable, "-P", "-m", name, *arguments]


def bare(name: str) -> list[str]:
    """The command that calls ``main`` of a module of ours that uses the standard library alone: up in some 30 ms."""
    # -I and -S: nothing but the standard library and this package.
    return [sys.executable, "-I", "-S", "-c", _BARE.format(module=name), _ROOT]


def environment() -> dict[str, str]:
    """This process's environment, in which a child finds the package that its parent runs."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [_ROOT, os.environ.get("PYTHONPATH")]))}


class Lines:
    """The lines that come out of a descriptor, each waited for until a moment. Does not close the descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._text = b""

    def receive(self, until_ns: int) -> bytes | None:
        """The next line without its end; None when there is none until then, empty when the other side has ended.

        A moment that has passed asks for what is there already.
        """
        while b"\n" not in self._text:
            left_s = max(0.0, (until_ns - now_ns()) / NS_PER_S)
            if not select.select([self._descriptor], [], [], left_s)[0]:
                return None
            data = os.read(self._descriptor, 65536)
            if not data:
                return b""
            self._text += data
        line, self._text = self._text.split(b"\n", 1)
        return line


class Child:
    """A child process. A context manager: on the way out it is killed, and it is gone then.

    The terminal's Ctrl-C does not reach it: what an interruption ends is for the parent to decide. ``keeps_stderr``:
    what it says on standard error is kept for ``end``; otherwise it goes where the parent's goes.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
        keeps_stderr: bool = True,
    ) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if keeps_stderr else None,
            pass_fds=pass_fds,
            env=env,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self._lines = Lines(self._process.stdout.fileno())
        self._ended = False
        self._stderr = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether ``end`` has not been called yet."""
        return not self._ended

    def send(self, line: str) -> None:
        """Send it an order. One that has ended takes none; whoever waits for its answer is told so.

        Raises RuntimeError once its input was closed.
        """
        stdin = self._process.stdin
        if stdin is None or stdin.closed:
            raise RuntimeError("the child's input is closed")
        try:
            stdin.write(line.encode() + b"\n")
            stdin.flush()
        except BrokenPipeError:
            return

    def receive(self, until_ns: int) -> bytes | None:
        """Its next line: see ``Lines.receive``. Empty also once ``end`` was called."""
        return b"" if self._ended else self._lines.receive(until_ns)

    def close_input(self) -> None:
        """The end of its orders. Idempotent."""
        stdin = self._process.stdin
        if stdin is None or stdin.closed:
            return
        try:
            stdin.close()
        except BrokenPipeError:
            # It ended before it had read its last order, which nobody misses now.
            return

    def wait(self, limit_s: float) -> bool:
        """Whether it has ended by itself within this time."""
        try:
            self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def end(self) -> str:
        """Kill it if it still runs, and wait for its end; the last it said on standard error. Idempotent."""
        if not self._ended:
            self._ended = True
            self._process.kill()
            self.close_input()
            # Its input is closed: communicate must not flush it again.
            self._process.stdin = None
            said = self._process.communicate()[1]
            self._stderr = said.decode(errors="replace")[-_STDERR_KEPT:] if said else ""
        return self._stderr
