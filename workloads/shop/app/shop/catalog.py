"""catalog: the items and their stock, which paid orders lower, exactly once in effect."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from pathlib import Path

from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.client import JetStreamContext
from nats.js.errors import NotFoundError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shop.broker import FAULTS, RETRY_S, STREAM, SUBJECT, Broker, Link
from shop.stamps import KERNEL, now_ns
from shop.stock import Paid, Stock
from shop.web import Refused, number_of

log = logging.getLogger("uvicorn.error")

MAX_ID = 999_999_999
_PRICES_LIMIT = 20
_QUERY_LIMIT = 64
_STAMPS_LIMIT = 10_000
NS_PER_MS = 1_000_000


class Catalog:
    """The function catalog. It needs the broker to become ready, and serves on without it."""

    def __init__(self, file: Path, broker: Broker) -> None:
        self.ready = False
        self._stock = Stock(file)
        self._broker = broker
        self._subscription: JetStreamContext.PushSubscription | None = None
        self._duplicates = 0
        self._refused = 0

    def routes(self) -> list[Route]:
        return [
            Route("/catalog/items", self._items),
            Route("/catalog/items/{id}", self._item),
            Route("/catalog/items/{id}/stock", self._left),
            Route("/catalog/prices", self._prices),
            Route("/catalog/events", self._events),
        ]

    async def run(self) -> None:
        """Consume events for ever, over however many connections it takes."""
        while True:
            link = await self._broker.link()
            try:
                await self._consume(link)
            except FAULTS as error:
                log.info("the consumer is not there yet: %r", error)
                await asyncio.sleep(RETRY_S)
                continue
            self.ready = True
            await self._broker.another(link.number)

    async def close(self) -> None:
        self._stock.close()

    async def prices(self, numbers: Sequence[int]) -> dict[int, int]:
        """The prices in cents of those items that exist: what payments asks, in one process by this very call."""
        return self._stock.prices(numbers)

    async def _consume(self, link: Link) -> None:
        """Have a durable consumer of this database's own deliver to us, from the first event that it has not seen."""
        durable = f"catalog-{self._stock.identity}"
        if self._subscription is not None:
            try:
                await link.js.consumer_info(STREAM, durable)
                return  # the broker kept it, and the client has subscribed again by itself
            except NotFoundError:
                await self._subscription.unsubscribe()
                self._subscription = None
        config = ConsumerConfig(
            durable_name=durable,
            deliver_policy=DeliverPolicy.ALL,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=5,
            max_ack_pending=256,
            # That of a database which nobody has any more goes by itself. One that comes back later than that is told
            # everything from the beginning, and knows what it has seen.
            inactive_threshold=3600,
        )
        self._subscription = await link.js.subscribe(
            SUBJECT, durable=durable, stream=STREAM, cb=self._receive, manual_ack=True, config=config
        )

    async def _receive(self, message: Msg) -> None:
        try:
            paid = paid_of(message.data, message.headers or {})
        except (ValueError, KeyError, TypeError) as error:
            self._refused += 1
            log.warning("an event that is none: %r", error)
            await message.term()
            return
        if not self._stock.apply(paid, now_ns()):
            self._duplicates += 1
        # After the commit. An acknowledgement that is lost brings the event again, and its id is known by then.
        await message.ack()

    async def _items(self, request: Request) -> Response:
        given = request.query_params
        page = number_of(given.get("page", "1"), "page", 1, 1_000_000)
        per_page = number_of(given.get("per_page", "20"), "per_page", 1, 100)
        query = given.get("q", "")
        if len(query) > _QUERY_LIMIT:
            raise Refused(422, f"q has at most {_QUERY_LIMIT} characters")
        items, total = self._stock.page(page, per_page, query)
        return JSONResponse({"items": items, "page": page, "per_page": per_page, "total": total})

    async def _item(self, request: Request) -> Response:
        number = _id(request)
        if (item := self._stock.item(number)) is None:
            raise Refused(404, f"no item {number}")
        return JSONResponse(item)

    async def _left(self, request: Request) -> Response:
        number = _id(request)
        if (left := self._stock.left(number)) is None:
            raise Refused(404, f"no item {number}")
        return JSONResponse({"id": number, "stock": left})

    async def _prices(self, request: Request) -> Response:
        words = request.query_params.get("ids", "").split(",")
        if len(words) > _PRICES_LIMIT:
            raise Refused(422, f"ids names at most {_PRICES_LIMIT} items")
        numbers = [number_of(word, "an item's id", 1, MAX_ID) for word in words]
        found = self._stock.prices(numbers)
        return JSONResponse({"prices": {str(number): price for number, price in found.items()}})

    async def _events(self, request: Request) -> Response:
        last = number_of(request.query_params.get("last", "100"), "last", 0, _STAMPS_LIMIT)
        stamps = [dict(row) for row in self._stock.stamps(last)]
        return JSONResponse(
            {
                "applied": self._stock.applied,
                "duplicates": self._duplicates,
                "refused": self._refused,
                "kernel": KERNEL,
                "last": stamps,
                "propagation_ms": [
                    (row["applied_ns"] - row["published_ns"]) / NS_PER_MS
                    for row in stamps
                    if row["published_ns"] is not None
                ],
            }
        )


def paid_of(data: bytes, headers: dict[str, str]) -> Paid:
    """The event of a message. Raises ValueError, KeyError or TypeError for one that is none."""
    content = json.loads(data)
    same = headers.get("Shop-Kernel") == KERNEL
    return Paid(
        event=str(content["event"]),
        items=tuple((int(line["id"]), int(line["quantity"])) for line in content["items"]),
        paid_ns=int(content["paid_ns"]) if same else None,
        published_ns=int(headers["Shop-Published-Ns"]) if same else None,
    )


def _id(request: Request) -> int:
    return number_of(str(request.path_params["id"]), "an item's id", 1, MAX_ID)
