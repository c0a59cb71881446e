"""A Unix socket in front of the Docker Engine's: passes every byte on, and notes when a container was asked for."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.clock import now_ns

ENGINE = "/var/run/docker.sock"


class Relay:
    """For one client. ``asked_ns`` is when its ``POST /containers/create`` began to arrive, 0 before."""

    def __init__(self, path: Path) -> None:
        self.asked_ns = 0
        self._path = path
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._open = [self._listener]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        """For DOCKER_HOST."""
        return f"unix://{self._path}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                engine = socket.socket(socket.AF_UNIX)
                engine.connect(ENGINE)
                self._open += [client, engine]
                for source, sink in ((client, engine), (engine, client)):
                    self._threads.append(threading.Thread(target=self._pass_on, args=(source, sink)))
                    self._threads[-1].start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not self.asked_ns and data.startswith(b"POST ") and b"/containers/create" in data.split(b"\r\n")[0]:
                    self.asked_ns = now_ns()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
