"""The null service: every request gets the same fixed response. What is measured against it is the instrument itself.

One thread, one epoll loop, no parsing beyond counting the ends of request heads (bodies are not supported). Two options
make a service whose true behaviour is known, for the instrument's own truth tests: ``--delay-ms`` answers each request
so much later without holding up the others, and ``--stall-once-after N --stall-s S`` stops the whole loop once.
"""

from __future__ import annotations

import argparse
import heapq
import os
import select
import socket
import sys
import time
from dataclasses import dataclass

from harness.clock import NS_PER_MS, NS_PER_S, now_ns

BODY = b'{"status":"ok"}'
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
_HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """``stall_once_after`` is the number of requests answered before the one stall; None for never."""

    delay_ns: int = 0
    stall_once_after: int | None = None
    stall_s: float = 0.0


class NullService:
    """Serves until the process ends. ``port`` 0 takes a free one; ``address`` tells which."""

    def __init__(self, ip: str, port: int, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._listener = socket.create_server((ip, port), backlog=4096)
        self._listener.setblocking(False)
        self._epoll = select.epoll()
        self._epoll.register(self._listener.fileno(), select.EPOLLIN)
        self._open: dict[int, socket.socket] = {}
        self._partial: dict[int, bytes] = {}
        self._due: list[tuple[int, int, int]] = []
        self._answered = 0

    @property
    def address(self) -> tuple[str, int]:
        ip, port = self._listener.getsockname()[:2]
        return str(ip), int(port)

    def serve(self) -> None:
        listener = self._listener.fileno()
        while True:
            for fd, _ in self._epoll.poll(self._patience_s()):
                if fd == listener:
                    self._accept()
                else:
                    self._read(fd)
            if self._due:
                self._answer_due()

    def _patience_s(self) -> float | None:
        if not self._due:
            return None
        # The kernel rounds epoll's timeout up to whole milliseconds: the last one is polled, so that a delay is exact.
        left = self._due[0][0] - now_ns()
        return 0 if left < 2 * NS_PER_MS else (left - 2 * NS_PER_MS) / NS_PER_S

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except BlockingIOError:
                return
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open[connection.fileno()] = connection
            self._epoll.register(connection.fileno(), select.EPOLLIN)

    def _read(self, fd: int) -> None:
        try:
            data = os.read(fd, 65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close(fd)
            return
        if fd in self._partial:
            data = self._partial.pop(fd) + data
        requests = data.count(_HEAD_END)
        if not data.endswith(_HEAD_END):
            self._partial[fd] = data[data.rfind(_HEAD_END) + len(_HEAD_END) :] if requests else data
        if not requests:
            return
        if self._behaviour.delay_ns:
            heapq.heappush(self._due, (now_ns() + self._behaviour.delay_ns, fd, requests))
        else:
            self._answer(fd, requests)

    def _answer_due(self) -> None:
        now = now_ns()
        while self._due and self._due[0][0] <= now:
            _, fd, requests = heapq.heappop(self._due)
            if fd in self._open:
                self._answer(fd, requests)

    def _answer(self, fd: int, requests: int) -> None:
        before, self._answered = self._answered, self._answered + requests
        stall_after = self._behaviour.stall_once_after
        if stall_after is not None and before <= stall_after < self._answered:
            time.sleep(self._behaviour.stall_s)
        try:
            os.write(fd, RESPONSE * requests)
        except OSError:
            # The client went away, or lets so much pile up that its socket is full: it is not worth serving.
            self._close(fd)

    def _close(self, fd: int) -> None:
        self._partial.pop(fd, None)
        self._epoll.unregister(fd)
        self._open.pop(fd).close()


def main(argv: list[str] | None = None) -> None:
    """Print ``listening <ip> <port>`` and serve for ever."""
    parser = argparse.ArgumentParser(prog="python -m harness.load.calibration.null_service", description=__doc__)
    parser.add_argument("--ip", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True, help="0 takes a free port")
    parser.add_argument("--delay-ms", type=float, default=0.0)
    parser.add_argument("--stall-once-after", type=int, metavar="N")
    parser.add_argument("--stall-s", type=float, default=1.0)
    options = parser.parse_args(argv)
    behaviour = Behaviour(round(options.delay_ms * NS_PER_MS), options.stall_once_after, options.stall_s)
    service = NullService(options.ip, options.port, behaviour)
    sys.stdout.write(f"listening {service.address[0]} {service.address[1]}\n")
    sys.stdout.flush()
    service.serve()


if __name__ == "__main__":
    main()
