"""HTTP/1.1 on the wire: requests as bytes, and an incremental reader of one response at a time. No I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httptools

from harness.errors import LoadError


class ExchangeFailed(LoadError):
    """There was no complete answer: refused, broken off, timed out, or not HTTP."""

    def __init__(self, what: str, sent_ns: int = 0, done_ns: int = 0) -> None:
        super().__init__(what, "look at the service's log lines")
        self.sent_ns = sent_ns
        self.done_ns = done_ns


@dataclass(frozen=True, slots=True)
class Response:
    """A complete answer. Header names are in lower case; the last of a repeated header stays.

    ``sent_ns`` is the moment before the request's first byte was written, ``done_ns`` the moment after the answer's
    last byte was read, both of the monotonic clock.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    sent_ns: int
    done_ns: int

    def json(self) -> Any:  # what JSON holds is only known to the check that reads it
        """The body as JSON. Raises ValueError when it is none."""
        return json.loads(self.body)


def encode_request(method: str, path: str, host: str, headers: Mapping[str, str] | None, body: bytes | None) -> bytes:
    """The bytes of a request that asks to keep the connection (HTTP/1.1's default)."""
    lines = [f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n"]
    if headers:
        lines.extend(f"{name}: {value}\r\n" for name, value in headers.items())
    if body is not None:
        lines.append(f"Content-Length: {len(body)}\r\n\r\n")
        return "".join(lines).encode("latin-1") + body
    lines.append("\r\n")
    return "".join(lines).encode("latin-1")


class ResponseReader:
    """Reads answers from the chunks of one connection. ``begin`` before each request, then ``feed`` until it is True.

    Bodies by Content-Length, chunked, or until the connection's end; none for HEAD, 204 and 304; 1xx are skipped.
    """

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.begin(head=False)

    def begin(self, *, head: bool) -> None:
        self._head = head
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._headers_seen = False
        self.complete = False
        self.started = False
        self.keep_alive = True
        self.status = 0

    def feed(self, data: bytes) -> bool:
        """Take what arrived; whether the answer is complete. Raises ExchangeFailed for what is not HTTP."""
        self.started = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            raise ExchangeFailed("the service switched protocols") from None
        except httptools.HttpParserError as error:
            raise ExchangeFailed(f"the answer is not HTTP: {error}") from None
        return self.complete

    def end(self) -> bool:
        """The connection's end: whether it completes an answer that had no other end."""
        framed = "content-length" in self._headers or "chunked" in self._headers.get("transfer-encoding", "")
        self.keep_alive = False
        self.complete = self.complete or (self._headers_seen and not framed)
        return self.complete

    def response(self, sent_ns: int, done_ns: int) -> Response:
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        return Response(self.status, self._headers, body, sent_ns, done_ns)

    # What follows is called by the parser.

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self._headers_seen = True
        if self._head and self.status >= 200:
            # llhttp cannot be told that an answer to HEAD has no body: it is given up, and a new one made.
            self.keep_alive = self._parser.should_keep_alive()
            self.complete = True
            self._parser = httptools.HttpResponseParser(self)

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self.status < 200:
            self._headers, self._headers_seen = {}, False
            return
        self.keep_alive = self._parser.should_keep_alive()
        self.complete = True
