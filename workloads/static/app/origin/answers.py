"""What the origin answers. No I/O."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from origin import conditions, ranges
from origin.content import cut, pieces, unit
from origin.request import Refused, Request

_OBJECT = re.compile(r"/(objects|private)/(0|[1-9][0-9]{0,9})")
_NOT_KEPT = "Cache-Control: no-store\r\n"
_JSON = f"Content-Type: application/json\r\n{_NOT_KEPT}"
_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}


@dataclass(frozen=True, slots=True)
class Answer:
    """A response without its Date. ``head`` ends before the empty line; ``of_object``: its body's bytes are counted."""

    head: str
    body: Iterable[bytes] = ()
    of_object: bool = False


@dataclass(slots=True)
class Count:
    """How often objects were asked for since the start, and how many bytes of bodies were written for that."""

    requests: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Freshness:
    """How long caches may keep an object, as Cache-Control says it."""

    max_age_s: int = 3600
    stale_while_revalidate_s: int | None = None
    stale_if_error_s: int | None = None

    @classmethod
    def of(cls, env: Mapping[str, str]) -> Freshness:
        """From MAX_AGE_S, STALE_WHILE_REVALIDATE_S and STALE_IF_ERROR_S. Raises ValueError for what is no number."""

        def given(name: str) -> int | None:
            return _seconds(env[name]) if name in env else None

        max_age_s = _seconds(env.get("MAX_AGE_S", "3600"))
        return cls(max_age_s, given("STALE_WHILE_REVALIDATE_S"), given("STALE_IF_ERROR_S"))

    @property
    def directives(self) -> str:
        """The value of Cache-Control."""
        stale = {"stale-while-revalidate": self.stale_while_revalidate_s, "stale-if-error": self.stale_if_error_s}
        given = [f", {name}={seconds}" for name, seconds in stale.items() if seconds is not None]
        return f"public, max-age={self.max_age_s}{''.join(given)}"


def _seconds(text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text):
        raise ValueError(f"{text!r} is no number of seconds")
    return int(text)


@dataclass(frozen=True, slots=True)
class Origin:
    """The objects of a catalogue with these sizes, at ``/objects/N`` and, for nobody to keep, at ``/private/N``."""

    sizes: array[int]
    freshness: Freshness = Freshness()
    count: Count = field(default_factory=Count)
    caching: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        kept = f"Cache-Control: {self.freshness.directives}\r\n"
        caching = {"objects": kept, "private": "Cache-Control: private, no-store\r\n"}
        object.__setattr__(self, "caching", caching)

    def answer(self, request: Request) -> Answer:
        """The answer to a request that was understood. Raises Refused for a method that there is not."""
        if request.method not in ("GET", "HEAD"):
            raise Refused(405, "GET and HEAD are what there is")
        named = _OBJECT.fullmatch(request.target)
        if named is not None and int(named[2]) < len(self.sizes):
            self.count.requests += 1
            found = self._object(request, self.sizes[int(named[2])], self.caching[named[1]])
        elif request.target == "/health":
            found = whole(200, _JSON, b'{"status":"ok"}')
        elif request.target == "/count":
            told = f'{{"requests":{self.count.requests},"bytes":{self.count.bytes}}}'
            found = whole(200, _JSON, told.encode("ascii"))
        else:
            found = whole(404, _JSON, b'{"error":"there is no such object"}')
        return Answer(found.head) if request.method == "HEAD" else found

    def _object(self, request: Request, size: int, caching: str) -> Answer:
        repeated = unit(request.target)
        tag = f'"{repeated[:8].hex()}-{size:x}"'
        validators = f"{caching}ETag: {tag}\r\nLast-Modified: {conditions.LAST_MODIFIED}\r\n"
        if (status := conditions.status_of(request.fields, tag)) is not None:
            return Answer(f"{_LINES[304]}{validators}") if status == 304 else whole(412, _NOT_KEPT, b"")
        described = f"{validators}Accept-Ranges: bytes\r\n"
        asked = request.fields.get("range")
        found = None
        if asked is not None and request.method == "GET" and conditions.range_holds(request.fields, tag):
            found = ranges.wanted(asked, size)
        if found is None:
            head = f"{_LINES[200]}{described}{_TYPE}Content-Length: {size}\r\n"
            return Answer(head, pieces(repeated, 0, size), of_object=True)
        if not found:
            return whole(416, f"{_NOT_KEPT}Content-Range: bytes */{size}\r\n", b"")
        if len(found) > 1:
            return _several(repeated, found, size, described)
        start, end = found[0]
        head = f"{_LINES[206]}{described}{_TYPE}Content-Range: bytes {start}-{end - 1}/{size}\r\n"
        return Answer(f"{head}Content-Length: {end - start}\r\n", pieces(repeated, start, end), of_object=True)


_TYPE = "Content-Type: application/octet-stream\r\n"


def whole(status: int, fields: str, body: bytes) -> Answer:
    """A small answer that is not an object."""
    return Answer(f"{_LINES[status]}{fields}Content-Length: {len(body)}\r\n", (body,))


def refusal(refused: Refused) -> Answer:
    """The answer to a request that was refused."""
    allow = "Allow: GET, HEAD\r\n" if refused.status == 405 else ""
    return whole(refused.status, f"{_JSON}{allow}", f'{{"error":"{refused.why}"}}'.encode("ascii"))


def _several(repeated: bytes, found: list[tuple[int, int]], size: int, described: str) -> Answer:
    """Several ranges in one answer. The boundary is random to the objects, but the same in every answer."""
    boundary = f"tare-{cut(repeated, 8, 24).hex()}"
    heads = [
        f"\r\n--{boundary}\r\n{_TYPE}Content-Range: bytes {start}-{end - 1}/{size}\r\n\r\n".encode("ascii")
        for start, end in found
    ]
    last = f"\r\n--{boundary}--\r\n".encode("ascii")

    def body() -> Iterator[bytes]:
        for head, (start, end) in zip(heads, found, strict=True):
            yield head
            yield from pieces(repeated, start, end)
        yield last

    length = sum(map(len, heads)) + sum(end - start for start, end in found) + len(last)
    head = f"{_LINES[206]}{described}Content-Type: multipart/byteranges; boundary={boundary}\r\n"
    return Answer(f"{head}Content-Length: {length}\r\n", body(), of_object=True)
