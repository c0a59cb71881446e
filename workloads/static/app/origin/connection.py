"""One connection of a client's: requests in order, each answered before the next is read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from email.utils import formatdate

from origin.answers import Answer, Origin, refusal
from origin.request import MAX_HEAD_BYTES, Refused, parse

_HEAD_TIMEOUT_S = 10.0
_LINGER_S = 2.0
_HEAD_END = b"\r\n\r\n"


class Date:
    """The field Date, formatted once a second."""

    def __init__(self) -> None:
        self._second = -1
        self._line = ""

    def line(self) -> str:
        second = int(time.time())
        if second != self._second:
            self._second, self._line = second, f"Date: {formatdate(second, usegmt=True)}\r\n"
        return self._line


class Connection(asyncio.Protocol):
    """Answers what arrives. A head that is not complete after 10 seconds, and everything that is malformed, ends it."""

    def __init__(self, origin: Origin, date: Date) -> None:
        self._origin = origin
        self._date = date
        self._received = b""
        self._body: Iterator[bytes] | None = None
        self._counted = False
        self._last = False
        self._full = False
        self._half_closed = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("a connection is a stream")
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - an end is an end
        self._body = None
        self._last = True
        self._stop_timer()

    def data_received(self, data: bytes) -> None:
        if self._last:
            return  # what follows a last answer is read, so that the kernel does not cut that answer off, and dropped
        self._received += data
        if self._body is None:
            self._serve()
        elif len(self._received) > MAX_HEAD_BYTES:
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """The client asks for no more: what it has asked for is still sent to it."""
        self._half_closed = self._last = True
        return self._body is not None

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        # Not from here: the transport is in the middle of writing, and would end twice if this write found it broken.
        asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        self._send()
        if self._body is None and not self._last:
            self._transport.resume_reading()
            self._serve()

    def _serve(self) -> None:
        while self._body is None and not self._last:
            self._received = self._received.removeprefix(b"\r\n")
            head, end, rest = self._received.partition(_HEAD_END)
            if len(head) > MAX_HEAD_BYTES:
                self._refuse(Refused(431, "the head is too long"))
            elif not end:
                if self._received and self._timer is None:
                    late = Refused(408, "the head did not come")
                    self._timer = asyncio.get_running_loop().call_later(_HEAD_TIMEOUT_S, self._refuse, late)
                return
            else:
                self._stop_timer()
                self._received = rest
                self._answer(head)

    def _answer(self, head: bytes) -> None:
        try:
            request = parse(head)
            answer = self._origin.answer(request)
        except Refused as refused:
            self._refuse(refused)
        else:
            self._begin(answer, keep_alive=request.keep_alive)

    def _refuse(self, refused: Refused) -> None:
        self._begin(refusal(refused), keep_alive=False)

    def _begin(self, answer: Answer, *, keep_alive: bool) -> None:
        self._last = not keep_alive
        self._body = iter(answer.body)
        self._counted = answer.of_object
        closing = "" if keep_alive else "Connection: close\r\n"
        head = f"{answer.head}{self._date.line()}{closing}\r\n".encode("ascii")
        # The head and the first piece in one packet: the others wait for a client that reads.
        first = next(self._body, b"")
        self._count(first)
        self._transport.write(head + first)
        self._send()

    def _send(self) -> None:
        """Write what is left of the body, as far as the client reads it."""
        while self._body is not None and not self._full and not self._transport.is_closing():
            piece = next(self._body, None)
            if piece is None:
                self._body = None
                if self._last:
                    self._end()
            else:
                self._count(piece)
                self._transport.write(piece)

    def _count(self, piece: bytes) -> None:
        if self._counted:
            self._origin.count.bytes += len(piece)

    def _end(self) -> None:
        """Close once the client has: unread bytes of its would have the kernel cut the answer off."""
        self._stop_timer()
        self._received = b""
        if self._half_closed:
            self._transport.close()
            return
        self._transport.write_eof()
        self._timer = asyncio.get_running_loop().call_later(_LINGER_S, self._transport.abort)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
