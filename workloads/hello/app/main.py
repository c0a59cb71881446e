"""The hello service: what a small HTTP/JSON service does, and nothing that differs from run to run."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

HERE = Path(__file__).resolve().parent
ECHO_LIMIT_BYTES = 1_000_000
MAX_ID_DIGITS = 9

# Opened once, read-only, for the one event loop: a look-up by primary key takes microseconds, less than a change of
# threads. immutable=1 spares the locks, for the file never changes while the service runs.
ITEMS = sqlite3.connect(f"{(HERE / 'items.db').as_uri()}?mode=ro&immutable=1", uri=True)


async def health(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def item(request: Request) -> Response:
    given = str(request.path_params["id"])
    if not (given.isascii() and given.isdigit() and len(given) <= MAX_ID_DIGITS):
        return JSONResponse({"error": "an item's id is a whole number"}, status_code=422)
    row = ITEMS.execute("SELECT id, name, price_cents, stock FROM items WHERE id = ?", (int(given),)).fetchone()
    if row is None:
        return JSONResponse({"error": f"no item {int(given)}"}, status_code=404)
    return JSONResponse(dict(zip(("id", "name", "price_cents", "stock"), row, strict=True)))


async def echo(request: Request) -> Response:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > ECHO_LIMIT_BYTES:
            # What is left of the body will not be read, so the connection cannot carry another request.
            return JSONResponse(
                {"error": f"more than {ECHO_LIMIT_BYTES} bytes"}, status_code=413, headers={"connection": "close"}
            )
    # The header is set by hand: Starlette would add a charset to a text type, and the type must come back as it was.
    content_type = request.headers.get("content-type", "application/octet-stream")
    return Response(bytes(body), headers={"content-type": content_type})


app = Starlette(
    routes=[
        Route("/health", health),
        Route("/items/{id}", item),
        Route("/echo", echo, methods=["POST"]),
        Mount("/static", StaticFiles(directory=HERE / "static")),
    ]
)
