"""The prober's line over TLS. Its handshake is a part of the attempt."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable

from harness.probes.line import CHUNK, Heard, Line


def tls_lines(tls_ca: str) -> Callable[[socket.socket], TlsLine]:
    """Makes lines that trust the authority in the PEM file ``tls_ca`` alone. Raises OSError if it cannot be read."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(tls_ca)
    return lambda sock: TlsLine(sock, context)


class TlsLine(Line):
    """The certificate must be for the IP address that the socket is connected to."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        super().__init__(sock)
        self._context = context
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None
        self._secret = b""
        self._shaken = False

    def say(self, data: bytes) -> None:
        self._secret += data

    def hear(self) -> Heard | None:
        if self._tls is None:
            peer_ip = str(self._sock.getpeername()[0])
            self._tls = self._context.wrap_bio(self._incoming, self._outgoing, server_hostname=peer_ip)
        self._take_in()
        try:
            if not self._shaken:
                self._tls.do_handshake()
                self._shaken = True
            if self._secret:
                self._tls.write(self._secret)
                self._secret = b""
        except ssl.SSLWantReadError:
            return None
        finally:
            # An alert, too, is for the other side to read.
            self._pass_on()
        return _in_the_clear(self._tls)

    def goodbye(self) -> None:
        if self._tls is None:
            return
        # The other side's own goodbye is not waited for.
        with contextlib.suppress(OSError):
            self._tls.unwrap()
        with contextlib.suppress(OSError):
            self._pass_on()

    def _take_in(self) -> None:
        try:
            chunk = self._sock.recv(CHUNK)
        except BlockingIOError:
            return
        if chunk:
            self._incoming.write(chunk)
        else:
            self._incoming.write_eof()

    def _pass_on(self) -> None:
        self.unsaid += self._outgoing.read()
        self._push()


def _in_the_clear(tls: ssl.SSLObject) -> Heard | None:
    parts: list[bytes] = []
    ended = False
    while not ended:
        try:
            chunk = tls.read(CHUNK)
        except ssl.SSLWantReadError:
            break
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            chunk = b""
        # Nothing, and no error: the other side said goodbye, and will say so for ever.
        ended = not chunk
        parts.append(chunk)
    return (b"".join(parts), ended) if parts else None
