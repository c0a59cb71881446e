"""A service that does exactly what a test says, on a free port of the loopback interface, in threads."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

Talk = Callable[[socket.socket, int], None]
"""Serves one connection; the number counts connections from 0."""


@pytest.fixture
def serve() -> Iterator[Callable[[Talk], int]]:
    """Starts a service, given how it talks on one connection (numbered from 0); returns its port."""
    listeners: list[socket.socket] = []

    def start(talk: Talk) -> int:
        listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        listeners.append(listener)
        threading.Thread(target=_accept, args=(listener, talk), daemon=True).start()
        return int(listener.getsockname()[1])

    yield start
    for listener in listeners:
        # Wakes the accepting thread, which closing alone would not.
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _accept(listener: socket.socket, talk: Talk) -> None:
    number = 0
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(connection, talk, number), daemon=True).start()
        number += 1


def _serve(connection: socket.socket, talk: Talk, number: int) -> None:
    with connection:
        try:
            talk(connection, number)
        except OSError:
            return
