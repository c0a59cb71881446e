"""What is said and heard on one non-blocking socket of the prober's. The standard library alone."""

from __future__ import annotations

import socket

CHUNK = 262_144

Heard = tuple[bytes, bool]
"""What came, and whether nothing more will."""


class Line:
    """Plain TCP. ``hear`` also says what is still unsaid; both raise OSError when the connection is broken."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.unsaid = b""

    def say(self, data: bytes) -> None:
        """Say ``data`` with the next ``hear``, as far as the connection takes it."""
        self.unsaid += data

    def hear(self) -> Heard | None:
        """What has come; None if nothing has."""
        self._push()
        try:
            chunk = self._sock.recv(CHUNK)
        except BlockingIOError:
            return None
        return chunk, not chunk

    def goodbye(self) -> None:
        """Say that nothing more is wanted, where the protocol has words for it."""

    def _push(self) -> None:
        if not self.unsaid:
            return
        try:
            sent = self._sock.send(self.unsaid)
        except BlockingIOError:
            return
        self.unsaid = self.unsaid[sent:]
