"""The generator's end of the line to its parent.

The parent writes to standard input, and its end means that the parent is gone. The child writes events, one JSON object
a line, to a descriptor of its own, because Locust prints to the standard ones.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable

import gevent
from gevent.os import make_nonblocking, nb_read
from gevent.queue import SimpleQueue

from harness.load.plan.load_plan import EVENTS_ENV


class Control:
    """``parent_gone`` is set when the parent has ended or closed the line."""

    def __init__(self) -> None:
        self._events = int(os.environ[EVENTS_ENV])
        self._orders: SimpleQueue[list[bytes]] = SimpleQueue()
        self.parent_gone = gevent.event.Event()
        make_nonblocking(0)
        self._reader = gevent.spawn(self._read)

    def tell(self, event: str, **facts: object) -> None:
        """Send an event. A parent that no longer listens is noticed by the reader."""
        try:
            os.write(self._events, json.dumps({"event": event, **facts}).encode() + b"\n")
        except BrokenPipeError:
            self.parent_gone.set()

    def begin_ns(self, prepare: Callable[[], None]) -> int:
        """Wait for the parent's ``start <ns>`` and return its moment. For each ``prepare`` before it do that first.

        Tells ``prepared`` after it. What ``prepare`` raises goes up.
        """
        while (order := self._orders.get())[0] != b"start":
            prepare()
            self.tell("prepared")
        return int(order[1])

    def _read(self) -> None:
        text = b""
        while data := nb_read(0, 4096):
            text += data
            while b"\n" in text:
                line, text = text.split(b"\n", 1)
                self._orders.put(line.split())
        self.parent_gone.set()
