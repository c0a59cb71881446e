"""HTTP/1.1 as the prober's own process speaks it: a request as bytes, and the reading of a response. No I/O."""

from __future__ import annotations

from collections.abc import Mapping


def encode(method: str, target: str, host: str, headers: Mapping[str, str], body: str) -> bytes:
    """The bytes of a request that asks to close the connection. A body is JSON unless ``headers`` say otherwise."""
    content = body.encode()
    fields = {"Host": host, "User-Agent": "tare-prober", "Accept": "*/*", "Connection": "close"}
    if content and not any(name.lower() == "content-type" for name in headers):
        fields["Content-Type"] = "application/json"
    if content or method != "GET":
        fields["Content-Length"] = str(len(content))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in {**fields, **headers}.items())]
    return "\r\n".join([*lines, "", ""]).encode() + content


def split_response(data: bytes, *, ended: bool) -> tuple[int, bytes] | None:
    """Status and body if ``data`` is a whole response (not to HEAD), else None. Raises ValueError if it is not HTTP."""
    if not b"HTTP/1.".startswith(data[:7]) and not data.startswith(b"HTTP/1."):
        raise ValueError("not HTTP")
    head, found, body = data.partition(b"\r\n\r\n")
    if not found:
        return None
    lines = head.split(b"\r\n")
    status = int(lines[0].split(None, 2)[1])
    if 100 <= status < 200:
        return split_response(body, ended=ended)
    fields = {}
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        fields[name.strip().lower()] = value.strip()
    if status in (204, 304):
        return status, b""
    if b"chunked" in fields.get(b"transfer-encoding", b"").lower():
        whole = _unchunk(body)
        return None if whole is None else (status, whole)
    if b"content-length" in fields:
        length = int(fields[b"content-length"])
        return (status, body[:length]) if len(body) >= length else None
    return (status, body) if ended else None


def _unchunk(data: bytes) -> bytes | None:
    parts: list[bytes] = []
    while True:
        line, found, data = data.partition(b"\r\n")
        if not found:
            return None
        size = int(line.split(b";")[0], 16)
        if size == 0:
            return b"".join(parts) if data.startswith(b"\r\n") or b"\r\n\r\n" in data else None
        if len(data) < size + 2:
            return None
        parts.append(data[:size])
        data = data[size + 2 :]
