"""Where a running origin of the workload ``static`` is, however it was deployed, and how the tests talk to it.

Requests are bytes on a socket: a client library would repair, or refuse to send, what is worth sending.
"""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from harness.simulation.catalogue import Catalogue
from harness.spec.files import read_workload

FOLDER = Path(__file__).resolve().parents[2] / "workloads" / "static"
WORKLOAD = read_workload(FOLDER)
TIMEOUT_S = 10.0


def body_of(path: str, size: int) -> bytes:
    """What an object's body is, written down without the workload's code."""
    unit = hashlib.shake_128(path.encode()).digest(1024)
    return (unit * (size // 1024 + 1))[:size]


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete response; names of fields in lower case."""

    status: int
    fields: Mapping[str, str]
    body: bytes


class Client:
    """One connection, used as it comes."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port), TIMEOUT_S)
        self._received = b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def head(self) -> tuple[int, dict[str, str]]:
        """The next response's status and fields. Fails if none comes."""
        while b"\r\n\r\n" not in self._received:
            self._more()
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        first, *lines = head.decode("ascii").split("\r\n")
        version, status, _ = first.split(" ", 2)
        assert version == "HTTP/1.1"
        fields = dict(line.split(": ", 1) for line in lines)
        assert len(fields) == len(lines)
        return int(status), {name.lower(): value for name, value in fields.items()}

    def take(self, count: int) -> bytes:
        """The next so many bytes."""
        while len(self._received) < count:
            self._more()
        taken, self._received = self._received[:count], self._received[count:]
        return taken

    def answer(self, *, body: bool = True) -> Answer:
        """The next response. ``body``: whether it may have one."""
        status, fields = self.head()
        length = int(fields.get("content-length", "0")) if body and status != 304 else 0
        return Answer(status, fields, self.take(length))

    def is_closed(self) -> bool:
        """Whether nothing more comes and the connection ends."""
        return not self._received and self.socket.recv(1) == b""

    def _more(self) -> None:
        data = self.socket.recv(1 << 20)
        assert data, f"the connection ended after {self._received[:200]!r}"
        self._received += data


@dataclass(frozen=True)
class StaticAt:
    """One running origin, with the workload's own catalogue."""

    host: str
    port: int

    @cached_property
    def catalogue(self) -> Catalogue:
        assert WORKLOAD.catalogue is not None
        return Catalogue.of(WORKLOAD.catalogue)

    def size(self, number: int) -> int:
        return int(self.catalogue.sizes[number])

    @contextmanager
    def client(self) -> Iterator[Client]:
        made = Client(self.host, self.port)
        with made.socket:
            yield made

    def raw(self, data: bytes) -> tuple[Answer, bool]:
        """The answer to these bytes, and whether the connection ends after it."""
        with self.client() as client:
            client.send(data)
            answer = client.answer()
            return answer, answer.fields.get("connection") == "close" and client.is_closed()

    def ask(self, path: str, method: str = "GET", **fields: str) -> Answer:
        """The answer to a request on a connection of its own; ``if_none_match`` is the field If-None-Match."""
        lines = [f"{method} {path} HTTP/1.1", "Host: origin"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
        with self.client() as client:
            client.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
            return client.answer(body=method != "HEAD")

    def count(self) -> tuple[int, int]:
        """Requests and bytes since the start."""
        told = json.loads(self.ask("/count").body)
        assert set(told) == {"requests", "bytes"}
        return told["requests"], told["bytes"]

    def counted(self, path: str, method: str = "GET", **fields: str) -> tuple[int, int]:
        """What one request adds to the count."""
        before = self.count()
        self.ask(path, method, **fields)
        after = self.count()
        return after[0] - before[0], after[1] - before[1]
