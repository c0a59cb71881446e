"""The parent's side of the prober's own process: started before the trigger, pinned, in the client's namespace."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness.clock import NS_PER_S, now_ns
from harness.errors import NotReady
from harness.spec.route import Route

_ROOT = str(Path(__file__).resolve().parents[2])
_START = "import sys; sys.path.append(sys.argv[1]); from harness.probes.prober import main; main()"
_ALIVE_EVERY_S = 0.05
_READY_TIMEOUT_S = 20.0


class Child:
    """A prober's process at work. A context manager; entering it returns once the process waits for ``go``.

    ``steps`` are as harness.probes.question has them, asked one after another. Raises NotReady when the process cannot
    be started (the namespace is missing, say).
    """

    def __init__(
        self,
        steps: Sequence[Mapping[str, object]],
        routes: Sequence[Route],
        *,
        netns: str | None,
        cpus: frozenset[int],
        tls_ca: str | None,
        proxy: tuple[str, int] | None,
    ) -> None:
        places = [(route.prefix, route.ip, route.port) for route in routes]
        self._order = {"steps": steps, "routes": places, "tls_ca": tls_ca, "proxy": proxy}
        inside = [] if netns is None else ["nsenter", f"--net=/run/netns/{netns}", "--"]
        pinned = ["taskset", "-c", ",".join(map(str, sorted(cpus)))]
        # -I and -S: nothing but the standard library and this package, which also makes the start fast.
        self._command = [*inside, *pinned, sys.executable, "-I", "-S", "-c", _START, _ROOT]
        self._process: subprocess.Popen[bytes] | None = None
        self._text = b""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # The terminal's Ctrl-C is the parent's to decide about. A parent that is killed closes the pipe.
            start_new_session=True,
        )
        try:
            self._write(json.dumps(self._order).encode() + b"\n")
            ready = self._line(now_ns() + round(_READY_TIMEOUT_S * NS_PER_S)) == b"ready"
        except BaseException:
            # An interruption, too, must not leave it running.
            self.end()
            raise
        if not ready:
            error = NotReady("the prober did not start", "see `tare doctor`")
            error.add_note(self.end()[-2000:])
            raise error
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """Raises RuntimeError outside the context."""
        if self._process is None:
            raise RuntimeError("the prober runs only inside its context")
        return self._process

    def end(self) -> str:
        """Make sure that the process is gone; what it said on standard error."""
        process, self._process = self._process, None
        if process is None:
            return ""
        process.kill()
        return process.communicate()[1].decode(errors="replace")

    def go(self) -> None:
        """Begin to ask."""
        self._write(b"go\n")

    def report(self, limit_s: float, alive: Callable[[], bool]) -> tuple[dict[str, Any], str]:
        """What the process reports, and why it was not waited for any longer (empty: it had all its answers).

        ``alive`` is asked about every 50 ms. Raises NotReady when the process itself ended.
        """
        deadline_ns = now_ns() + round(limit_s * NS_PER_S)
        while True:
            ended = not alive()
            line = self._line(min(deadline_ns, now_ns() + round(_ALIVE_EVERY_S * NS_PER_S)))
            if line is not None:
                return self._read(line), ""
            if ended or now_ns() >= deadline_ns:
                break
        # The end of its input makes it report what it has.
        if self.process.stdin is not None:
            self.process.stdin.close()
            self.process.stdin = None
        why = "the service ended before it answered" if ended else f"no correct response within {limit_s:g} s"
        return self._read(self._line(now_ns() + NS_PER_S) or b""), why

    def _read(self, line: bytes) -> dict[str, Any]:
        if not line:
            error = NotReady("the prober ended before it reported", "run the trial again")
            error.add_note(self.end()[-2000:])
            raise error
        report: dict[str, Any] = json.loads(line)
        return report

    def _write(self, data: bytes) -> None:
        stdin = self.process.stdin
        if stdin is None:
            raise RuntimeError("the prober's input is closed")
        try:
            stdin.write(data)
            stdin.flush()
        except BrokenPipeError:
            # It ended; whoever waits for its next line is told so.
            return

    def _line(self, until_ns: int) -> bytes | None:
        """The prober's next line; None when there is none until then, empty when it has ended."""
        stdout = self.process.stdout
        if stdout is None:
            raise RuntimeError("the prober's output is closed")
        while b"\n" not in self._text:
            left_s = max(0.0, (until_ns - now_ns()) / NS_PER_S)
            if not select.select([stdout], [], [], left_s)[0]:
                return None
            data = os.read(stdout.fileno(), 65536)
            if not data:
                return b""
            self._text += data
        line, self._text = self._text.split(b"\n", 1)
        return line
