"""When a service gave its first correct response: the parent's side of the prober.

The prober is a process of its own, started before the trigger, inside the client's namespace and on the instrument's
cores, so that its own start is no part of any figure. Its rules:

- Every attempt is a new connection. While nobody answers, one begins every 0.9 ms and its SYN lives for 20 ms, so some
  22 overlap and the figure's resolution is 1 ms also before the address exists. (A SYN that the kernel must send again
  would come 1 s later and quantise the figure to whole seconds.)
- Refused, or answered with another status or body than expected: the next attempt begins when its 0.9 ms are over.
- Once connected the request is sent, and no further connection is opened before its answer, for up to 1 s; after that a
  new attempt is made beside it, and whichever answers correctly first counts.
- Over TLS the handshake is a part of the attempt, and no further connection is opened during it either.
- The end is the moment after the answer's last byte was read, on the host's monotonic clock.

How long a killed instance is away is found the same way: enter the prober before the kill, and call ``go`` once the
kill is proven (no answer of the dying instance can then be taken for one of the next). Refused, reset or unanswered, it
goes on as above until the first correct response. A proxy may answer in the place of the dead, also correctly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from harness.errors import NotReady
from harness.probes.prober_process import ProberProcess
from harness.probes.question import PERIOD_NS
from harness.runtime.confinement import Confinement
from harness.spec.route import STRAIGHT, Route, Way
from harness.spec.service import Readiness


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

    def __init__(
        self,
        ip: str,
        port: int,
        ready: Readiness,
        at: Confinement,
        way: Way = STRAIGHT,
        period_ns: int = PERIOD_NS,
    ) -> None:
        """Asks ``ip`` at ``port``, or at the check's own port, from ``at``. ``period_ns``: between two attempts."""
        self._ready = ready
        route = Route("/", ip, ready.port or port)
        step = {
            "name": f"GET {ready.path}", "method": "GET", "path": ready.path, "headers": {}, "body": "",
            "status": ready.status, "exact": ready.body, "contains": ready.body_contains, "capture": {}, "alone": False,
            "period_ns": period_ns,
        }  # fmt: skip
        self._where = f"{route.ip}:{route.port}"
        self._child = ProberProcess([step], [route], at, way)

    def __enter__(self) -> Self:
        self._child.__enter__()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._child.end()

    def go(self) -> None:
        """Begin to ask. Right after the trigger, or before it."""
        self._child.go()

    def result(self, timeout_s: float | None = None, alive: Callable[[], bool] = lambda: True) -> ProbeResult:
        """Wait for the first correct response, for the readiness check's own timeout if none is given.

        Raises NotReady, with what was seen last, when the time is up or when ``alive()`` turned False: the service
        ended. ``alive`` is asked about every 50 ms.
        """
        report, why = self._child.report(self._ready.timeout_s if timeout_s is None else timeout_s, alive)
        seen = report["asked"][0]
        if seen["first_response_ns"] is None:
            expected = f"GET {self._ready.path} with status {self._ready.status}"
            raise NotReady(
                f"{why} ({self._where}, last seen: {seen['last'] or 'no answer'})",
                f"look at the service's log lines; the readiness check is: {expected}",
            )
        return ProbeResult(
            listening_ns=seen["listening_ns"],
            first_response_ns=seen["first_response_ns"],
            attempts=seen["attempts"],
            resolution_ns=seen["resolution_ns"],
            cpu_ns=report["cpu_ns"],
            history=tuple(Seen(*entry) for entry in seen["history"]),
        )
