"""payments: pays for a basket, once per idempotency key, and tells the rest of the shop."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shop.broker import Broker
from shop.orders import Line, Order, Orders, answer_text, basket_text, event_text
from shop.prices import CatalogDown, Prices, RemoteCatalog
from shop.relay import Relay
from shop.stamps import now_ns
from shop.tokens import Verifier
from shop.web import Refused, only_keys, read_object, whole

_KEY = re.compile(r"[A-Za-z0-9._-]{8,64}")
_ID = re.compile(r"[0-9a-f]{32}")
MAX_LINES = 20
MAX_QUANTITY = 100
MAX_ID = 999_999_999


class Payments:
    """The function payments. Without the broker it takes orders, whose events wait; without the catalog it cannot."""

    def __init__(self, file: Path, broker: Broker, verifier: Verifier, catalog: Prices) -> None:
        self.ready = False
        self._orders = Orders(file)
        self._relay = Relay(self._orders, broker)
        self._verifier = verifier
        self._catalog = catalog

    def routes(self) -> list[Route]:
        return [
            Route("/payments", self._pay, methods=["POST"]),
            Route("/payments/outbox", self._outbox),
            Route("/payments/{id}", self._order),
        ]

    async def run(self) -> None:
        """Relay events for ever."""
        await self._relay.run()

    async def settle(self) -> None:
        """Become ready: once the broker and the catalog have answered."""
        await self._relay.connected.wait()
        if isinstance(self._catalog, RemoteCatalog):
            await self._catalog.answers()
        self.ready = True

    async def close(self) -> None:
        if isinstance(self._catalog, RemoteCatalog):
            await self._catalog.close()
        self._orders.close()

    async def _pay(self, request: Request) -> Response:
        user = self._buyer(request)
        key = request.headers.get("idempotency-key", "")
        if not _KEY.fullmatch(key):
            raise Refused(400, f"an Idempotency-Key that matches {_KEY.pattern} is needed")
        lines = basket_of(await read_object(request))
        basket = basket_text(lines)
        order = self._orders.by_key(user, key)
        replayed = order is not None
        if order is None:
            new = uuid.uuid4().hex
            answer = answer_text(new, lines, await self._prices(lines))
            order = self._orders.pay(user, key, Order(new, basket, answer), event_text(new, lines, now_ns()))
            replayed = order.id != new
            self._relay.wake()
        if order.basket != basket:
            raise Refused(409, "that Idempotency-Key has paid for another basket")
        headers = {"location": f"/payments/{order.id}"}
        if replayed:
            headers["idempotent-replayed"] = "true"
        return Response(order.answer, 201, headers, "application/json")

    async def _order(self, request: Request) -> Response:
        user = self._buyer(request)
        given = str(request.path_params["id"])
        order = self._orders.by_id(user, given) if _ID.fullmatch(given) else None
        if order is None:
            raise Refused(404, "no such order of yours")
        return Response(order.answer, media_type="application/json")

    async def _outbox(self, _request: Request) -> Response:
        orders, pending = self._orders.counts()
        return JSONResponse({"orders": orders, "pending": pending})

    def _buyer(self, request: Request) -> str:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        user = self._verifier.user(token.strip()) if scheme.lower() == "bearer" else None
        if user is None:
            raise Refused(401, "a valid token is needed", {"www-authenticate": "Bearer"})
        return user

    async def _prices(self, lines: list[Line]) -> dict[int, int]:
        try:
            prices = await self._catalog.prices([line.id for line in lines])
        except CatalogDown:
            raise Refused(503, "the catalog does not answer", {"retry-after": "1"}) from None
        for line in lines:
            if line.id not in prices:
                raise Refused(422, f"no item {line.id}")
        return prices


def basket_of(content: Mapping[str, object]) -> list[Line]:
    """The lines of a basket. Refuses with 422 whatever is none."""
    only_keys(content, "items")
    items = content["items"]
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_LINES:
        raise Refused(422, f"items is a list of 1 to {MAX_LINES}")
    lines = []
    for item in items:
        if not isinstance(item, dict):
            raise Refused(422, "each of items is an object")
        only_keys(item, "id", "quantity")
        number, quantity = whole(item["id"], 1, MAX_ID), whole(item["quantity"], 1, MAX_QUANTITY)
        if number is None or quantity is None:
            raise Refused(422, f"id is a whole number from 1 to {MAX_ID}, quantity from 1 to {MAX_QUANTITY}")
        lines.append(Line(number, quantity))
    if len({line.id for line in lines}) != len(lines):
        raise Refused(422, "each item stands in one line")
    return lines
