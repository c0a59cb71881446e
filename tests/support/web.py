"""Small web services in threads on the loopback interface: plain, over TLS, and a forward proxy."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

Talk = Callable[[socket.socket], None]
"""Serves one connection until its end."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as a service saw it. Header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: str


@dataclass(slots=True)
class Service:
    """A listening service and what it was asked, in order. ``connections`` counts them."""

    port: int
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0


def reply(status: int, body: str) -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body.encode()), body.encode())


def read_request(connection: socket.socket) -> Asked | None:
    """The next request; None at the connection's end."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            return None
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, target, _ = first.split()
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65536)
    return Asked(method, target, headers, body.decode())


@contextmanager
def service(answer: Callable[[Asked], bytes], *, tls: ssl.SSLContext | None = None, port: int = 0) -> Iterator[Service]:
    """A service that answers requests one by one and keeps connections. Ended, its connections are closed too."""
    listener = socket.create_server(("127.0.0.1", port), backlog=64)
    told = Service(listener.getsockname()[1])
    open_now: set[socket.socket] = set()

    def talk(plain: socket.socket) -> None:
        # Whoever is served may leave, or never have wanted TLS.
        with contextlib.suppress(OSError), tls.wrap_socket(plain, server_side=True) if tls else plain as connection:
            open_now.add(connection)
            while (asked := read_request(connection)) is not None:
                told.asked.append(asked)
                connection.sendall(answer(asked))
                if asked.headers.get("connection") == "close":
                    if isinstance(connection, ssl.SSLSocket):
                        # As proxies do it: goodbye right behind the answer, without waiting for the client's.
                        connection.settimeout(0)
                        with contextlib.suppress(ssl.SSLError):
                            connection.unwrap()
                    break
            open_now.discard(connection)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            told.connections += 1
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield told
    finally:
        # Wakes the accepting thread, which closing alone would not.
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join()
        for connection in list(open_now):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def fetch(asked: Asked) -> bytes:
    """What a forward proxy answers: it asks the place in the request's absolute form. 400 for any other form."""
    if not asked.target.startswith("http://"):
        return reply(400, "not in absolute form")
    host, _, path = asked.target.removeprefix("http://").partition("/")
    ip, port = host.split(":")
    content = asked.body.encode()
    with socket.create_connection((ip, int(port)), timeout=10) as onward:
        lines = [f"{asked.method} /{path} HTTP/1.1", f"host: {asked.headers['host']}", "connection: close"]
        onward.sendall("\r\n".join([*lines, f"content-length: {len(content)}", "", ""]).encode() + content)
        answer = b""
        while chunk := onward.recv(65536):
            answer += chunk
    return answer
