"""The host's end of a machine's console and of its service's output: nothing is lost, everything is stamped here."""

from __future__ import annotations

import os
import re
import selectors
import socket
import threading
from pathlib import Path

from harness.clock import Stopwatch, now_ns
from harness.errors import DeployError
from harness.host.guest.initrd import FAILED, USER_SPACE

CONSOLE_SOCKET = "console.sock"
LOG_SOCKET = "log.sock"

_MARKS = (
    ("user_space", re.compile(re.escape(USER_SPACE.encode()))),
    ("service_started", re.compile(rb"Started (\x1b\[[0-9;]*m)*tare-workload\.service")),
)
_FAILURE = re.compile(re.escape(FAILED.encode()) + rb"([^\r\n]*)[\r\n]")
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_LONGEST_MARK = 256
_CONNECT = 4
"""Waiting connections allowed; QEMU makes one to each socket."""


class VmConsole:
    """Listens on both sockets before QEMU exists and reads in a thread of its own until both are closed.

    Stamps on ``clock``, which is to be set before QEMU is asked for: ``vmm_running`` when it opens the console,
    ``kernel`` at the first byte, ``user_space`` and ``service_started`` at the guest's own words. The bytes are kept in
    ``scratch`` (console.log, service.log). ``token`` begins the line that says that the service has ended. One console
    serves one boot; that of a later boot of the same machine goes on in the same files.
    """

    def __init__(self, folder: Path, scratch: Path, token: str, owner: tuple[int, int]) -> None:
        self.console_socket = folder / CONSOLE_SOCKET
        self.log_socket = folder / LOG_SOCKET
        self.clock = Stopwatch()
        self._end = re.compile(b"\n" + re.escape(token.encode()) + rb" ([^\n]*)\n")
        self._token = token
        self._console_file = scratch / "console.log"
        self._log_file = scratch / "service.log"
        self._ended: str | None = None
        self._closed = False
        self._recent: dict[Path, bytes] = {self._console_file: b"", self._log_file: b""}
        self._selector = selectors.DefaultSelector()
        self._open: set[socket.socket] = set()
        for path, file in ((self.console_socket, self._console_file), (self.log_socket, self._log_file)):
            file.touch()
            self._listen(path, file, owner)
        self._wake_read, self._wake_write = os.pipe()
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._read, name=f"console {folder.name}", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> str | None:
        """How the service or the guest's start ended; None while it has not."""
        return self._ended

    def text(self) -> str:
        """The console, then what the service printed, then how it ended if it has."""
        console = _ANSI.sub("", self._console_file.read_text("utf-8", "replace"))
        console = re.sub(r"[\r\n]+", "\n", console)
        service = re.sub(rf"\n{self._token} [^\n]*\n", "\n", self._log_file.read_text("utf-8", "replace"))
        parts = (console.rstrip("\n"), service.rstrip("\n"), f"({self._ended})" if self._ended else "")
        return "\n".join(part for part in parts if part)

    def close(self) -> None:
        """Stop reading. To be called after QEMU has ended, so that its last bytes are read first. Idempotent."""
        if not self._closed:
            self._closed = True
            os.write(self._wake_write, b"x")
            self._thread.join()
            os.close(self._wake_read)
            os.close(self._wake_write)
        for path in (self.console_socket, self.log_socket):
            path.unlink(missing_ok=True)

    def _listen(self, path: Path, file: Path, owner: tuple[int, int]) -> None:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(str(path))
            os.chown(path, *owner)
            listener.listen(_CONNECT)
        except OSError as error:
            listener.close()
            raise DeployError(
                f"the console's socket {path} cannot be made: {error}", "choose a shorter campaign name"
            ) from error
        listener.setblocking(False)
        self._open.add(listener)
        self._selector.register(listener, selectors.EVENT_READ, (file, True))

    def _read(self) -> None:
        closing = False
        try:
            while self._open:
                events = self._selector.select(0 if closing else None)
                ready = [key for key, _ in events if key.data is not None]
                if closing and not ready:
                    return
                closing = closing or any(key.data is None for key, _ in events)
                at_ns = now_ns()
                for key in ready:
                    assert isinstance(key.fileobj, socket.socket)
                    file, listening = key.data
                    if listening:
                        self._accept(key.fileobj, file, at_ns)
                    else:
                        self._receive(key.fileobj, file, at_ns)
        finally:
            for each in list(self._open):
                self._drop(each)
            self._selector.close()

    def _accept(self, listener: socket.socket, file: Path, at_ns: int) -> None:
        connection, _ = listener.accept()
        self._drop(listener)
        connection.setblocking(False)
        self._open.add(connection)
        self._selector.register(connection, selectors.EVENT_READ, (file, False))
        if file == self._console_file:
            self.clock.stamp("vmm_running", at_ns)

    def _receive(self, connection: socket.socket, file: Path, at_ns: int) -> None:
        try:
            data = connection.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(connection)
            return
        with file.open("ab") as log:
            log.write(data)
        recent = self._recent[file] + data
        self._recent[file] = recent[-_LONGEST_MARK:]
        if file == self._log_file:
            if found := self._end.search(recent):
                self._ended = f"the service ended: {found[1].decode('utf-8', 'replace')}"
            return
        self.clock.stamp("kernel", at_ns)
        for phase, mark in _MARKS:
            if mark.search(recent):
                self.clock.stamp(phase, at_ns)
        if found := _FAILURE.search(recent):
            self._ended = f"the guest could not start: {found[1].decode('utf-8', 'replace')}"

    def _drop(self, each: socket.socket) -> None:
        self._selector.unregister(each)
        self._open.discard(each)
        each.close()
