"""A connection that speaks TLS, with the same watchers and stamps as a plain one.

TLS runs in memory and its bytes go through the plain connection's socket: gevent's own TLS socket is driven by timers
and tries to read before an answer can be there.
"""

from __future__ import annotations

import _socket
import ssl

from harness.clock import now_ns
from harness.load.client.connection import CHUNK, Activity, Connection
from harness.load.client.http import Response
from harness.load.client.netns import Namespace


class TlsConnection(Connection):
    """As Connection. It is open when the handshake is done and the certificate is verified for the IP address.

    ``sent_ns`` is the moment before the request is encrypted, ``done_ns`` that after the answer's last byte is in the
    clear. An answer that only the connection's end delimits is taken as whole also when the other side sends no
    close_notify.
    """

    def __init__(
        self,
        address: tuple[str, int],
        timeout_s: float,
        context: ssl.SSLContext,
        activity: Activity | None = None,
        netns: Namespace | None = None,
    ) -> None:
        super().__init__(address, timeout_s, activity, netns)
        self._context = context
        self._server_name = address[0]
        self._incoming: ssl.MemoryBIO
        self._outgoing: ssl.MemoryBIO
        self._tls: ssl.SSLObject

    def _connect(self) -> _socket.socket:
        sock = super()._connect()
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = self._context.wrap_bio(self._incoming, self._outgoing, server_hostname=self._server_name)
        while not self._handshake_step(sock):
            self._wait(self._readable)
            self._receive_encrypted(sock)
        self._used_ns = now_ns()
        return sock

    def _handshake_step(self, sock: _socket.socket) -> bool:
        """One step of the handshake; whether it was the last."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            # An alert, too, is for the other side to read.
            self._flush(sock)
        return True

    def _send(self, sock: _socket.socket, request: bytes) -> None:
        self._tls.write(request)
        self._flush(sock)

    def _flush(self, sock: _socket.socket) -> None:
        if self._outgoing.pending:
            super()._send(sock, self._outgoing.read())

    def _receive(self, sock: _socket.socket, sent_ns: int) -> Response:
        while True:
            self._wait(self._readable)
            if not self._receive_encrypted(sock):
                continue
            while (data := self._decrypted()) is not None:
                response = self._fed(data, sent_ns, now_ns())
                if response is not None:
                    return response
            # The other side may have asked for new keys.
            self._flush(sock)

    def _receive_encrypted(self, sock: _socket.socket) -> bool:
        """Move what has arrived into TLS; False if nothing has."""
        try:
            data = sock.recv(CHUNK)
        except BlockingIOError:
            return False
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
        return True

    def _decrypted(self) -> bytes | None:
        """What has come, decrypted: None for nothing yet, empty for the end."""
        try:
            return self._tls.read(CHUNK)
        except ssl.SSLWantReadError:
            return None
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    def _closed_by_peer(self) -> bool:
        # What arrives unasked need not be the end: session tickets come after the handshake.
        if self._socket is None:
            return True
        try:
            return self._receive_encrypted(self._socket) and self._decrypted() is not None
        except OSError:
            return True
