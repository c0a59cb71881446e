"""The core's own process, as its parent sees it: the regions' TAP devices handed over, pinned, asked for its report."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness.clock import NS_PER_MS, NS_PER_S, now_ns
from harness.errors import DeployError
from harness.lab.tap import open_tap
from harness.records.network import CoreRecord

_ROOT = str(Path(__file__).resolve().parents[2])
_START = "import sys; sys.path.append(sys.argv[1]); from harness.lab.core import main; main()"
_ANSWER_LIMIT_S = 20.0


@dataclass(frozen=True, slots=True)
class Access:
    """A region's access to the core. ``rtts_ms`` are the round-trip times to every region, in the regions' order.

    ``rate_mbit`` and ``loss`` hold in each direction.
    """

    tap: str
    bridge: str
    pool: IPv4Network
    rtts_ms: tuple[float, ...]
    rate_mbit: float | None = None
    loss: float = 0.0

    def order(self, descriptor: int) -> dict[str, object]:
        """As harness.lab.core reads it."""
        return {
            "fd": descriptor,
            "tap": self.tap,
            "net": list(self.pool.network_address.packed[:3]),
            "delays_ns": [round(rtt * NS_PER_MS / 2) for rtt in self.rtts_ms],
            "rate_bps": None if self.rate_mbit is None else self.rate_mbit * 1e6,
            "loss": self.loss,
        }


class Core:
    """The process that joins the regions. A context manager; entering it returns once it forwards.

    Raises DeployError when the devices cannot be made or the process does not start. It ends when its parent does, and
    its devices end with it. ``realtime`` tells whether the kernel gave it precedence over ordinary processes.
    """

    def __init__(self, accesses: Sequence[Access], cpus: frozenset[int] = frozenset()) -> None:
        self._accesses = accesses
        pinned = ["taskset", "-c", ",".join(map(str, sorted(cpus)))] if cpus else []
        # -I and -S: nothing but the standard library and this package, which also makes the start fast.
        self._command = [*pinned, sys.executable, "-I", "-S", "-c", _START, _ROOT]
        self._process: subprocess.Popen[bytes] | None = None
        self._text = b""
        self._last: CoreRecord | None = None
        self.realtime = False

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            descriptors = []
            for access in self._accesses:
                descriptors.append(open_tap(access.tap, access.bridge))
                # The child has its own copies then.
                stack.callback(os.close, descriptors[-1])
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=descriptors,
                # The terminal's Ctrl-C is the parent's to decide about. A parent that is killed closes the pipe.
                start_new_session=True,
            )
        try:
            orders = [access.order(fd) for access, fd in zip(self._accesses, descriptors, strict=True)]
            self.realtime = bool(self._asked(json.dumps(orders))["realtime"])
        except BaseException:
            # An interruption, too, must not leave it running.
            self._kill()
            raise
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Raises DeployError if the process had ended before, unless something else is being raised already."""
        try:
            if self._process is not None and exc is None:
                self.report()
        finally:
            self._kill()

    @property
    def pid(self) -> int:
        """Of the process. Raises RuntimeError outside the context."""
        if self._process is None:
            raise RuntimeError("the core runs only inside its context")
        return self._process.pid

    def report(self) -> CoreRecord:
        """What it has done since its start; after its end, what it had done. Raises DeployError when it has failed."""
        if self._process is not None:
            self._last = CoreRecord(**self._asked("report"))
        if self._last is None:
            raise RuntimeError("the core runs only inside its context")
        return self._last

    def _asked(self, order: str) -> dict[str, Any]:
        """Its answer to a line."""
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise RuntimeError("the core runs only inside its context")
        deadline_ns = now_ns() + round(_ANSWER_LIMIT_S * NS_PER_S)
        try:
            process.stdin.write(order.encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            raise self._failed() from None
        while b"\n" not in self._text:
            left_s = max(0.0, (deadline_ns - now_ns()) / NS_PER_S)
            if not select.select([process.stdout], [], [], left_s)[0]:
                raise self._failed()
            if not (data := os.read(process.stdout.fileno(), 65536)):
                raise self._failed()
            self._text += data
        line, self._text = self._text.split(b"\n", 1)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _failed(self) -> DeployError:
        error = DeployError("The core that joins the regions has ended or does not answer.", "Run the trial again.")
        error.add_note(self._kill()[-2000:])
        return error

    def _kill(self) -> str:
        """Make sure that the process is gone; what it said on standard error."""
        process, self._process = self._process, None
        if process is None:
            return ""
        process.kill()
        return process.communicate()[1].decode(errors="replace")
