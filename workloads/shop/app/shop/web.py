"""What all functions share towards HTTP: JSON in, JSON out, every refusal a JSON object with ``error``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

BODY_LIMIT_BYTES = 64 * 1024
ID_DIGITS = 9


class Refused(Exception):
    """A request that is answered with ``status`` and changes nothing."""

    def __init__(self, status: int, error: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.headers = dict(headers or {})


async def refused(_request: Request, error: Exception) -> Response:
    """The answer to a Refused."""
    assert isinstance(error, Refused)
    return JSONResponse({"error": error.error}, error.status, headers=error.headers)


async def not_served(_request: Request, error: Exception) -> Response:
    """The answer where there is no such path or method."""
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail.lower()}, error.status_code, headers=error.headers)


async def failed(_request: Request, _error: Exception) -> Response:
    """The answer to a fault of ours, which the server logs."""
    return JSONResponse({"error": "the service failed"}, 500)


async def read_object(request: Request) -> dict[str, Any]:
    """The body's JSON object. Refuses more than 64 KiB (413), no JSON (400) and what is no object (422)."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT_BYTES:
            # What is left of it will not be read, so the connection cannot carry another request.
            raise Refused(413, f"the body has more than {BODY_LIMIT_BYTES} bytes", {"connection": "close"})
    return parsed(bytes(body))


def parsed(body: bytes) -> dict[str, Any]:
    """``read_object`` of a complete body."""
    try:
        content = json.loads(body.decode("utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Refused(400, "the body is not JSON") from None
    if not isinstance(content, dict):
        raise Refused(422, "the body is not a JSON object")
    return content


def only_keys(content: Mapping[str, object], *keys: str) -> None:
    """Refuse an object that lacks one of the keys or has another."""
    if set(content) != set(keys):
        raise Refused(422, f"an object with exactly these keys is needed: {', '.join(keys)}")


def whole(value: object, low: int, high: int) -> int | None:
    """The JSON number if it is whole (2.0 is) and in that range."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        return None
    return int(value) if low <= value <= high else None


def number_of(text: str, what: str, low: int, high: int) -> int:
    """The whole number that a part of the URL is. Refuses anything else with 422."""
    if text.isascii() and text.isdigit() and len(text) <= ID_DIGITS and low <= int(text) <= high:
        return int(text)
    raise Refused(422, f"{what} is a whole number from {low} to {high}")


def _no_number(name: str) -> object:
    raise ValueError(f"{name} is not JSON")
