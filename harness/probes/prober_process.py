"""The parent's side of the prober's own process: started before the trigger, pinned, in the client's namespace."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from harness.clock import NS_PER_S, now_ns
from harness.errors import NotReady
from harness.runtime import child
from harness.runtime.confinement import Confinement
from harness.spec.route import Route, Way

_ALIVE_EVERY_S = 0.05
_READY_TIMEOUT_S = 20.0


class ProberProcess:
    """A prober's process at work. A context manager; entering it returns once the process waits for ``go``.

    ``steps`` are as harness.probes.question has them, asked one after another. Raises NotReady when the process cannot
    be started (the namespace is missing, say).
    """

    def __init__(
        self,
        steps: Sequence[Mapping[str, object]],
        routes: Sequence[Route],
        at: Confinement,
        way: Way,
    ) -> None:
        places = [(route.prefix, route.ip, route.port) for route in routes]
        clients = {"tls_ca": way.tls_ca, "forward_proxy": way.forward_proxy}
        self._order = json.dumps({"steps": steps, "routes": places} | clients)
        self._command = at.command(child.bare("harness.probes.prober"))
        self._process: child.Child | None = None

    def __enter__(self) -> Self:
        self._process = child.Child(self._command)
        try:
            self._process.send(self._order)
            ready = self._process.receive(now_ns() + round(_READY_TIMEOUT_S * NS_PER_S)) == b"ready"
        except BaseException:
            # An interruption, too, must not leave it running.
            self.end()
            raise
        if not ready:
            raise self._failed("the prober did not start", "see `tare doctor`")
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end()

    @property
    def process(self) -> child.Child:
        """Raises RuntimeError outside the context."""
        if self._process is None or not self._process.running:
            raise RuntimeError("the prober runs only inside its context")
        return self._process

    def end(self) -> None:
        """Make sure that the process is gone. Idempotent."""
        if self._process is not None:
            self._process.end()

    def go(self) -> None:
        """Begin to ask."""
        self.process.send("go")

    def report(self, limit_s: float, alive: Callable[[], bool]) -> tuple[dict[str, Any], str]:
        """What the process reports, and why it was not waited for any longer (empty: it had all its answers).

        ``alive`` is asked about every 50 ms. Raises NotReady when the process itself ended.
        """
        deadline_ns = now_ns() + round(limit_s * NS_PER_S)
        while True:
            ended = not alive()
            line = self.process.receive(min(deadline_ns, now_ns() + round(_ALIVE_EVERY_S * NS_PER_S)))
            if line is not None:
                return self._read(line), ""
            if ended or now_ns() >= deadline_ns:
                break
        # The end of its input makes it report what it has.
        self.process.close_input()
        why = "the service ended before it answered" if ended else f"no correct response within {limit_s:g} s"
        return self._read(self.process.receive(now_ns() + NS_PER_S) or b""), why

    def _read(self, line: bytes) -> dict[str, Any]:
        if not line:
            raise self._failed("the prober ended before it reported", "run the trial again")
        report: dict[str, Any] = json.loads(line)
        return report

    def _failed(self, what: str, remedy: str) -> NotReady:
        error = NotReady(what, remedy)
        error.add_note(self.process.end())
        return error
