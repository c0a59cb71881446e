"""When a service gave its first correct response: the parent's side of the prober.

The prober is a process of its own, started before the trigger, inside the client's namespace and on the instrument's
cores, so that its own start is no part of any figure. Its rules:

- Every attempt is a new connection. While nobody answers, one begins every 0.9 ms and its SYN lives for 20 ms, so some
  22 overlap and the figure's resolution is 1 ms also before the address exists. (A SYN that the kernel must send again
  would come 1 s later and quantise the figure to whole seconds.)
- Refused, or answered with another status or body than expected: the next attempt begins when its 0.9 ms are over.
- Once connected the request is sent, and no further connection is opened before its answer, for up to 1 s; after that a
  new attempt is made beside it, and whichever answers correctly first counts.
- The end is the moment after the answer's last byte was read, on the host's monotonic clock.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.clock import NS_PER_S, now_ns
from harness.errors import NotReady
from harness.spec.service import Readiness

_PROBER = Path(__file__).with_name("prober.py")
_ALIVE_EVERY_S = 0.05
_READY_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen ``times`` times in a row: ``no answer``, ``refused``, ``status 500`` …, at last ``correct``."""

    kind: str
    times: int
    first_ns: int
    last_ns: int


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """Moments of the host's monotonic clock.

    ``listening_ns``: a connection was established for the first time. ``resolution_ns``: the largest gap between two
    attempts in the last 50 ms up to the one that succeeded, which is how much earlier the service may have been ready
    (0: the very first attempt succeeded). ``cpu_ns``: the prober's own CPU time since ``go``.
    """

    listening_ns: int
    first_response_ns: int
    attempts: int
    resolution_ns: int
    cpu_ns: int
    history: tuple[Seen, ...]


class Prober:
    """A prober at work. A context manager; entering it returns once the process waits for ``go``.

    Raises NotReady when the process cannot be started (the namespace is missing, say).
    """

    def __init__(self, ip: str, port: int, ready: Readiness, *, netns: str | None, cpus: frozenset[int]) -> None:
        self._ready = ready
        self._request = {"ip": ip, "port": port} | ready.model_dump(include={"path", "status", "body", "body_contains"})
        inside = [] if netns is None else ["nsenter", f"--net=/run/netns/{netns}", "--"]
        pinned = ["taskset", "-c", ",".join(map(str, sorted(cpus)))]
        # -I and -S: nothing but the standard library, which also makes the start fast.
        self._command = [*inside, *pinned, sys.executable, "-I", "-S", str(_PROBER)]
        self._where = f"{ip}:{port}"
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
            self._write(json.dumps(self._request).encode() + b"\n")
            ready = self._line(now_ns() + round(_READY_TIMEOUT_S * NS_PER_S)) == b"ready"
        except BaseException:
            self._end()
            raise
        if not ready:
            error = NotReady("the startup prober did not start", "see `tare doctor`")
            error.add_note(self._end()[-2000:])
            raise error
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> str:
        """Make sure that the process is gone; what it said on standard error."""
        process, self._process = self._process, None
        if process is None:
            return ""
        process.kill()
        return process.communicate()[1].decode(errors="replace")

    def go(self) -> None:
        """Begin to ask. Right after the trigger, or before it."""
        self._write(b"go\n")

    def result(self, timeout_s: float | None = None, alive: Callable[[], bool] = lambda: True) -> ProbeResult:
        """Wait for the first correct response, for the readiness check's own timeout if none is given.

        Raises NotReady, with what was seen last, when the time is up or when ``alive()`` turned False: the service
        ended. ``alive`` is asked about every 50 ms.
        """
        limit_s = self._ready.timeout_s if timeout_s is None else timeout_s
        deadline_ns = now_ns() + round(limit_s * NS_PER_S)
        while True:
            ended = not alive()
            slice_ns = now_ns() + round(_ALIVE_EVERY_S * NS_PER_S)
            line = self._line(min(deadline_ns, slice_ns))
            if line is not None:
                return self._read(line)
            if ended or now_ns() >= deadline_ns:
                break
        last = self._stop_and_tell()
        if isinstance(last, ProbeResult):
            return last
        what = "the service ended before it answered" if ended else f"no correct response within {limit_s:g} s"
        expected = f"GET {self._ready.path} with status {self._ready.status}"
        raise NotReady(
            f"{what} ({self._where}, last seen: {last})",
            f"look at the service's log lines; the readiness check is: {expected}",
        )

    def _stop_and_tell(self) -> ProbeResult | str:
        """End the prober's input, which makes it report what it has."""
        process = self._running()
        if process.stdin is not None:
            process.stdin.close()
            process.stdin = None
        line = self._line(now_ns() + NS_PER_S)
        if not line:
            return "nothing, the prober itself ended"
        report = json.loads(line)
        return self._read(line) if report["first_response_ns"] else str(report["last"] or "no answer")

    def _read(self, line: bytes) -> ProbeResult:
        if not line:
            raise NotReady("the startup prober ended before it reported", "run the trial again")
        report = json.loads(line)
        history = tuple(Seen(*entry) for entry in report["history"])
        return ProbeResult(
            listening_ns=report["listening_ns"],
            first_response_ns=report["first_response_ns"],
            attempts=report["attempts"],
            resolution_ns=report["resolution_ns"],
            cpu_ns=report["cpu_ns"],
            history=history,
        )

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the prober runs only inside its context")
        return self._process

    def _write(self, data: bytes) -> None:
        stdin = self._running().stdin
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
        stdout = self._running().stdout
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
