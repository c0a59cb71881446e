"""Brings the outbox's events to the broker, at least once: one is pending until the broker has acknowledged it."""

from __future__ import annotations

import asyncio
import logging

from nats.js import JetStreamContext

from shop.broker import FAULTS, RETRY_S, SUBJECT, Broker, Link
from shop.orders import Orders, Pending
from shop.stamps import KERNEL, now_ns

log = logging.getLogger("uvicorn.error")

BATCH = 64
ACK_TIMEOUT_S = 2.0
IDLE_S = 1.0
"""How long it trusts that nobody has called ``wake``."""


class Relay:
    """Publishes with the event's id as ``Nats-Msg-Id``, so that the broker drops what it gets twice within minutes."""

    def __init__(self, orders: Orders, broker: Broker) -> None:
        self._orders = orders
        self._broker = broker
        self._wake = asyncio.Event()
        self._connection = 0
        self.connected = asyncio.Event()

    def wake(self) -> None:
        """There is a new event."""
        self._wake.set()

    async def run(self) -> None:
        """For ever, over however many connections it takes."""
        while True:
            link = await self._broker.link()
            if link.number != self._connection:
                self._connection = link.number
                if self._orders.publish_into(link.created):
                    log.info("the broker's stream is a new one: every event is published into it")
            self.connected.set()
            self._wake.clear()
            pending = self._orders.pending(BATCH)
            if not pending:
                await self._idle()
            elif not await self._publish(link, pending):
                await asyncio.sleep(RETRY_S)

    async def _publish(self, link: Link, pending: list[Pending]) -> bool:
        """Whether the broker acknowledged all of them, which is marked. What is under way when the connection is made
        anew is not waited for: it is published again, and the broker knows it by its id."""
        work = asyncio.gather(*(self._one(link.js, event) for event in pending))
        another = asyncio.ensure_future(self._broker.another(link.number))
        try:
            await asyncio.wait((work, another), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                return False
            acknowledged = [event.number for event, done in zip(pending, work.result(), strict=True) if done]
        finally:
            another.cancel()
            work.cancel()
        if acknowledged:
            self._orders.published(acknowledged)
        return len(acknowledged) == len(pending)

    async def _one(self, js: JetStreamContext, event: Pending) -> bool:
        headers = {"Nats-Msg-Id": event.event, "Shop-Kernel": KERNEL, "Shop-Published-Ns": str(now_ns())}
        try:
            await js.publish(SUBJECT, event.payload.encode(), timeout=ACK_TIMEOUT_S, headers=headers)
        except FAULTS as error:
            log.info("not acknowledged yet: %s: %r", event.event, error)
            return False
        return True

    async def _idle(self) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), IDLE_S)
        except TimeoutError:
            return
