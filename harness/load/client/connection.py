"""One keep-alive connection on gevent's loop, with exact stamps.

The socket is the C class, which Locust's monkey-patching leaves alone, non-blocking, and driven by the loop's own
watchers: gevent's socket tries to read before the answer can be there, and makes a timer object for each wait.
"""

from __future__ import annotations

import _socket
import errno
import os
from typing import NoReturn, Protocol

from gevent import get_hub, getcurrent

from harness.clock import NS_PER_S, now_ns
from harness.load.client.http import ExchangeFailed, Response, ResponseReader
from harness.load.client.netns import Namespace

READ, WRITE = 1, 2
"""libev's event bits."""

_STALE_AFTER_NS = NS_PER_S
CHUNK = 65536


class _Watcher(Protocol):
    def start(self, callback: object, *args: object) -> None: ...
    def stop(self) -> None: ...
    def close(self) -> None: ...


class Activity:
    """Counts what happens on connections, so that waiting can be told from work."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class TimedOut(Exception):
    """Thrown into the greenlet whose exchange took too long."""


class Connection:
    """At most one exchange at a time. Opens itself when needed; reconnects once if the service closed it while idle.

    ``address``: IP address and port. ``netns`` is the network namespace that it is opened in; None: the process's own.
    """

    def __init__(
        self,
        address: tuple[str, int],
        timeout_s: float,
        activity: Activity | None = None,
        netns: Namespace | None = None,
    ) -> None:
        self._activity = activity or Activity()
        self._address = address
        self._netns = netns
        self._hub = get_hub()
        # A repeating one, for ``again``: libev gives a timer that was stopped and is started anew what it had left.
        self._timer = self._hub.loop.timer(timeout_s, timeout_s)
        self._timeout_s = timeout_s
        self._reader = ResponseReader()
        self._socket: _socket.socket | None = None
        self._used_ns = 0
        self._readable: _Watcher
        self._writable: _Watcher

    @property
    def is_open(self) -> bool:
        return self._socket is not None

    def open(self) -> None:
        """Connect, if not connected. Raises ExchangeFailed."""
        if self._socket is not None:
            return
        begun_ns = now_ns()
        self._timer.again(getcurrent().throw, TimedOut)
        try:
            self._connect()
        except (OSError, TimedOut) as error:
            self.close()
            self._fail(f"cannot connect: {self._reason(error)}", begun_ns)
        except BaseException:
            # Given up on from outside: half a connection must not pass for one.
            self.close()
            raise
        finally:
            self._timer.stop()

    def exchange(self, request: bytes, *, head: bool = False) -> Response:
        """Send one request and read its whole answer. Raises ExchangeFailed, with the stamps that there are."""
        if self._socket is not None and now_ns() - self._used_ns > _STALE_AFTER_NS and self._closed_by_peer():
            self.close()
        begun_ns, sent_ns = now_ns(), 0
        self._timer.again(getcurrent().throw, TimedOut)
        try:
            while True:
                reused = self._socket is not None
                sock = self._socket or self._connect()
                self._reader.begin(head=head)
                # A second attempt counts from the first.
                sent_ns = sent_ns or now_ns()
                try:
                    self._send(sock, request)
                    return self._receive(sock, sent_ns)
                except (ConnectionResetError, BrokenPipeError):
                    self.close()
                    # Closed by the service between two requests, which no client can rule out: once more.
                    if not reused or self._reader.started:
                        raise
        except (OSError, TimedOut) as error:
            self.close()
            self._fail(self._reason(error), sent_ns or begun_ns)
        except ExchangeFailed as error:
            self.close()
            self._fail(error.what, sent_ns or begun_ns)
        except BaseException:
            # As above: the rest of an answer must not pass for the beginning of the next.
            self.close()
            raise
        finally:
            self._timer.stop()

    def close(self) -> None:
        """Close the connection, if there is one. The next exchange opens another."""
        if self._socket is None:
            return
        for watcher in (self._readable, self._writable):
            watcher.stop()
            watcher.close()
        self._socket.close()
        self._socket = None

    def _connect(self) -> _socket.socket:
        # What was left of an answer on the connection before is no part of this one.
        self._reader = ResponseReader()
        netns = self._netns
        sock = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM) if netns is None else netns.socket()
        sock.setblocking(False)
        sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        loop = self._hub.loop
        self._readable = loop.io(sock.fileno(), READ)
        self._writable = loop.io(sock.fileno(), WRITE)
        self._socket = sock
        refused = sock.connect_ex(self._address)
        if refused == errno.EINPROGRESS:
            self._wait(self._writable)
            refused = sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR)
        if refused:
            raise OSError(refused, os.strerror(refused))
        self._used_ns = now_ns()
        return sock

    def _closed_by_peer(self) -> bool:
        if self._socket is None:
            return True
        try:
            self._socket.recv(1, _socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        # Either the end, or bytes that nobody asked for.
        return True

    def _send(self, sock: _socket.socket, request: bytes) -> None:
        sent = sock.send(request)
        while sent < len(request):
            self._wait(self._writable)
            sent += sock.send(request[sent:])

    def _receive(self, sock: _socket.socket, sent_ns: int) -> Response:
        readable = self._readable
        while True:
            self._wait(readable)
            try:
                data = sock.recv(CHUNK)
            except BlockingIOError:
                continue
            response = self._fed(data, sent_ns, now_ns())
            if response is not None:
                return response

    def _fed(self, data: bytes, sent_ns: int, done_ns: int) -> Response | None:
        """The answer, if ``data`` (empty: the end) completes it."""
        reader = self._reader
        if data:
            if not reader.feed(data):
                return None
        elif not reader.end():
            raise ConnectionResetError(errno.ECONNRESET, "the service closed the connection before its answer")
        self._used_ns = done_ns
        if not reader.keep_alive:
            self.close()
        return reader.response(sent_ns, done_ns)

    def _wait(self, watcher: _Watcher) -> None:
        watcher.start(getcurrent().switch)
        try:
            self._hub.switch()
        finally:
            watcher.stop()
            self._activity.count += 1

    def _reason(self, error: BaseException) -> str:
        return f"no answer within {self._timeout_s:g} s" if isinstance(error, TimedOut) else str(error)

    @staticmethod
    def _fail(what: str, sent_ns: int) -> NoReturn:
        raise ExchangeFailed(what, sent_ns, now_ns()) from None
