"""The backbone's own process, as its parent sees it: TAP devices handed over, pinned, asked for its report."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import IPv4Network
from types import TracebackType
from typing import Any, Self

from harness.clock import NS_PER_MS, NS_PER_S, now_ns
from harness.errors import DeployError
from harness.lab.backbone.tap import open_tap
from harness.records.network import BackboneRecord
from harness.runtime import child
from harness.runtime.confinement import Confinement

_ANSWER_LIMIT_S = 20.0
_OUTSIDE = "the backbone runs only inside its context"


@dataclass(frozen=True, slots=True)
class Uplink:
    """A region's uplink to the backbone. ``rtts_ms`` are the round-trip times to every region, in the regions' order.

    ``rate_mbit`` and ``loss`` hold in each direction.
    """

    tap: str
    bridge: str
    pool: IPv4Network
    rtts_ms: tuple[float, ...]
    rate_mbit: float | None = None
    loss: float = 0.0

    def order(self, descriptor: int) -> dict[str, object]:
        """As harness.lab.backbone.main reads it."""
        return {
            "fd": descriptor,
            "tap": self.tap,
            "net": list(self.pool.network_address.packed[:3]),
            "delays_ns": [round(rtt * NS_PER_MS / 2) for rtt in self.rtts_ms],
            "rate_bps": None if self.rate_mbit is None else self.rate_mbit * 1e6,
            "loss": self.loss,
        }


class Backbone:
    """The process that joins the regions. A context manager; entering it returns once it forwards.

    Raises DeployError when the devices cannot be made or the process does not start. It ends when its parent does, and
    its devices end with it. ``realtime`` tells whether the kernel gave it precedence over ordinary processes.
    """

    def __init__(self, uplinks: Sequence[Uplink], cpus: frozenset[int] = frozenset()) -> None:
        self._uplinks = uplinks
        self._command = Confinement(cpus=cpus).command(child.bare("harness.lab.backbone.main"))
        self._process: child.Child | None = None
        self._last: BackboneRecord | None = None
        self.realtime = False

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            descriptors = []
            for uplink in self._uplinks:
                descriptors.append(open_tap(uplink.tap, uplink.bridge))
                # The child has its own copies then.
                stack.callback(os.close, descriptors[-1])
            self._process = child.Child(self._command, pass_fds=descriptors)
        try:
            orders = [uplink.order(fd) for uplink, fd in zip(self._uplinks, descriptors, strict=True)]
            self.realtime = bool(self._asked(json.dumps(orders))["realtime"])
        except BaseException:
            # An interruption, too, must not leave it running.
            self._process.end()
            raise
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Raises DeployError if the process had ended before, unless something else is being raised already."""
        try:
            if exc is None and self._process is not None and self._process.running:
                self.report()
        finally:
            if self._process is not None:
                self._process.end()

    @property
    def pid(self) -> int:
        """Of the process. Raises RuntimeError outside the context."""
        return self._inside().pid

    def report(self) -> BackboneRecord:
        """What it has done since its start; after its end, what it had done. Raises DeployError when it has failed."""
        if self._process is not None and self._process.running:
            self._last = BackboneRecord(**self._asked("report"))
        if self._last is None:
            raise RuntimeError(_OUTSIDE)
        return self._last

    def _asked(self, order: str) -> dict[str, Any]:
        """Its answer to a line."""
        process = self._inside()
        process.send(order)
        line = process.receive(now_ns() + round(_ANSWER_LIMIT_S * NS_PER_S))
        if not line:
            error = DeployError(
                "The backbone that joins the regions has ended or does not answer.", "Run the trial again."
            )
            error.add_note(process.end())
            raise error
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _inside(self) -> child.Child:
        if self._process is None or not self._process.running:
            raise RuntimeError(_OUTSIDE)
        return self._process
