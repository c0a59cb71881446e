"""A request's head, read strictly: what is not plainly HTTP/1.x is refused rather than interpreted (RFC 9112)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

MAX_HEAD_BYTES = 16 * 1024
MAX_LINE_BYTES = 8 * 1024
MAX_FIELDS = 100

_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e]+) HTTP/([0-9])\.([0-9])")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t\x20-\x7e\x80-\xff]*)")
_EMPTY = re.compile(r"0+")
_HOST = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+;=%-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")
_ABSOLUTE = re.compile(r"https?://[^/?#]+(?=/)", re.IGNORECASE)


class Refused(Exception):
    """A request that is answered with an error status, after which the connection is closed."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for. ``target`` is a path with its query, if any; names of ``fields`` are in lower case."""

    method: str
    target: str
    fields: Mapping[str, str]
    keep_alive: bool


def parse(head: bytes) -> Request:
    """The request of that head, which is all that comes before the empty line. Raises Refused."""
    first, *rest = head.split(b"\r\n")
    if len(first) > MAX_LINE_BYTES:
        raise Refused(414, "the request line is too long")
    line = _LINE.fullmatch(first)
    if line is None:
        raise Refused(400, "no request line")
    method, target, major, minor = (part.decode("ascii") for part in line.groups())
    if major != "1":
        raise Refused(505, "HTTP/1.1 is spoken here")
    fields = _fields(rest)
    if not _HOST.fullmatch(fields.get("host", "" if minor == "0" else "/")):
        raise Refused(400, "one host is needed")
    if "transfer-encoding" in fields or not _EMPTY.fullmatch(fields.get("content-length", "0")):
        # It is not read, and what follows it on the connection would be taken for the next request.
        raise Refused(405 if method not in ("GET", "HEAD") else 400, "a request with a body")
    options = {option.strip() for option in fields.get("connection", "").lower().split(",")}
    keep_alive = "keep-alive" in options if minor == "0" else "close" not in options
    return Request(method, _ABSOLUTE.sub("", target, count=1), fields, keep_alive)


def _fields(lines: list[bytes]) -> dict[str, str]:
    if len(lines) > MAX_FIELDS:
        raise Refused(431, "too many fields")
    fields: dict[str, str] = {}
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            raise Refused(400, "a line that is no field")
        name, value = field[1].decode("ascii").lower(), field[2].strip(b" \t").decode("latin-1")
        # Two of them are one list; what must not be a list is then not what it must be.
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields
