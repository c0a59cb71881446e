"""An origin behind the caches under test: what it answers can be checked from the path alone, and it counts.

``python cache_origin.py`` (or ``-c`` with its text): standard library only. Port 8000 is the service, port 8001 the
test's: ``/count`` tells what was asked of the service, ``/set?delay_s=1&held=9&open=0&sick=1`` changes how it behaves.
``held`` keeps all answers back until so many were asked for, or until it is 0 again.

The paths are those of the workload ``static`` and more: ``/objects/N`` and ``/sized/BYTES/N`` are cacheable for an
hour, ``/short/N`` for one second, ``/plain/N`` says nothing of its lifetime, ``/private/N`` must not be kept,
``/cookie/N`` sets a cookie. ``/reflect/N`` is cacheable and tells what the request said of its host. ``/health`` is not
counted.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from email.utils import formatdate
from urllib.parse import parse_qsl, urlsplit

PORT, CONTROL_PORT = 8000, 8001
BLOCK_BYTES = 1024
HEALTH = b'{"status":"ok"}'
MODIFIED = formatdate(1_700_000_000, usegmt=True)
OF_A_HOST = ("host", "x-forwarded-host", "x-host", "x-original-url", "x-rewrite-url", "forwarded")
LIFETIMES = {
    "objects": "public, max-age=3600",
    "sized": "public, max-age=3600",
    "reflect": "public, max-age=3600",
    "cookie": "public, max-age=3600",
    "short": "public, max-age=1",
    "private": "private, no-store",
    "plain": None,
}
SIZES = (1, 100, 1_000, 1_023, 1_024, 1_025, 4_096, 10_000, 65_536, 300_000)


def content(path: str, size: int) -> bytes:
    """The body of that name."""
    block = hashlib.shake_128(path.encode()).digest(BLOCK_BYTES)
    return (block * (size // BLOCK_BYTES + 1))[:size]


def size_of(path: str) -> int:
    """The body's size, from the name alone."""
    words = path.split("/")
    return int(words[2]) if words[1] == "sized" else SIZES[int(words[2]) % len(SIZES)]


def body_of(path: str) -> bytes:
    """What a correct answer to a GET of ``path`` holds; the query is part of the name."""
    return content(path, size_of(urlsplit(path).path))


class Origin:
    """What it was asked, and how it behaves."""

    def __init__(self) -> None:
        self.paths: dict[str, int] = {}
        self.validated = 0
        self.bytes = 0
        self.delay_s = 0.0
        self.held = 0
        self.free = asyncio.Event()
        self.free.set()
        self.sick = False
        self.server: asyncio.Server | None = None
        self.writers: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                request, *lines = head.split("\r\n")
                method, path, _ = request.split(" ")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                await reader.readexactly(int(headers.get("content-length", "0")))
                writer.write(await self.answer(method, path, headers))
                await writer.drain()
                if headers.get("connection", "").lower() == "close":
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.writers.discard(writer)
            writer.close()

    async def answer(self, method: str, path: str, headers: dict[str, str]) -> bytes:
        if path == "/health":
            return response(200, {"Cache-Control": "no-store"}, HEALTH)
        self.paths[path] = self.paths.get(path, 0) + 1
        self.held -= 1
        if self.held <= 0:
            self.free.set()
        await self.free.wait()
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        kind = path.split("/")[1]
        if self.sick:
            return response(500, {}, b"the origin is sick")
        if kind not in LIFETIMES or not re.fullmatch(r"/\w+(/\d+)+(\?.*)?", path):
            return response(404, {}, b"no such object")
        tag = f'"{hashlib.sha256(path.encode()).hexdigest()[:16]}"'
        told = {"ETag": tag, "Last-Modified": MODIFIED, "X-Cache": "HIT from the origin"}
        if lifetime := LIFETIMES[kind]:
            told["Cache-Control"] = lifetime
        if kind == "cookie":
            told["Set-Cookie"] = "who=you"
        if kind == "reflect":
            return response(200, told, json.dumps({name: headers.get(name) for name in OF_A_HOST}).encode())
        if headers.get("if-none-match") == tag:
            self.validated += 1
            return response(304, told, b"")
        body = body_of(path)
        part = re.fullmatch(r"bytes=(\d+)-(\d+)", headers.get("range", ""))
        if part and int(part[1]) <= int(part[2]) < len(body):
            told["Content-Range"] = f"bytes {part[1]}-{part[2]}/{len(body)}"
            return response(206, told, body[int(part[1]) : int(part[2]) + 1])
        self.bytes += len(body)
        return response(200, told, body, method != "HEAD")

    async def control(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        asked = urlsplit(head.split(" ")[1])
        for name, value in parse_qsl(asked.query):
            await self.change(name, value)
        told = {
            "requests": sum(self.paths.values()),
            "bytes": self.bytes,
            "validated": self.validated,
            "paths": self.paths,
        }
        writer.write(response(200, {"Connection": "close"}, json.dumps(told).encode()))
        await writer.drain()
        writer.close()

    async def change(self, name: str, value: str) -> None:
        if name == "delay_s":
            self.delay_s = float(value)
        elif name == "held" and value != "0":
            self.held = int(value)
            self.free.clear()
        elif name == "held":
            self.free.set()
        elif name == "sick":
            self.sick = value == "1"
        elif name == "open" and value == "1" and self.server is None:
            self.server = await asyncio.start_server(self.serve, "0.0.0.0", PORT, backlog=4096)
        elif name == "open" and value == "0" and self.server is not None:
            self.server.close()
            self.server = None
            for writer in tuple(self.writers):
                writer.transport.abort()


def response(status: int, headers: dict[str, str], body: bytes, with_body: bool = True) -> bytes:
    """A response as it goes over the wire."""
    lines = [f"HTTP/1.1 {status} Status", f"Date: {formatdate(usegmt=True)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [] if status == 304 else [f"Content-Length: {len(body)}", "Content-Type: application/octet-stream"]
    return "\r\n".join([*lines, "", ""]).encode() + (body if with_body else b"")


async def main() -> None:
    """Serve until the process ends."""
    origin = Origin()
    await origin.change("open", "1")
    control = await asyncio.start_server(origin.control, "0.0.0.0", CONTROL_PORT)
    await control.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
