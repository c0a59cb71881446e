"""The connection to the broker: kept up for as long as the process lives, however often the broker dies."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import NotFoundError

log = logging.getLogger("uvicorn.error")

STREAM = "ORDERS"
SUBJECT = "order.paid"
RETRY_S = 0.1
FAULTS = (NatsError, OSError, TimeoutError, asyncio.TimeoutError)
"""What talking to a broker that may die can raise; nats-py's errors and those of its sockets."""

_STREAM = StreamConfig(
    name=STREAM,
    subjects=[SUBJECT],
    storage=StorageType.FILE,
    retention=RetentionPolicy.LIMITS,
    duplicate_window=120,
)


@dataclass(frozen=True, slots=True)
class Link:
    """A connection on which the stream is there.

    ``number`` counts the connections of this process: another number means that anything may have happened to the
    broker in between. ``created`` names the stream: another one means that a broker came back without its store.
    """

    js: JetStreamContext
    number: int
    created: str


class Broker:
    """One connection per process, shared by all that it serves."""

    def __init__(self, address: str) -> None:
        self._url = f"nats://{address}"
        self._client: Client | None = None
        self._up = asyncio.Event()
        self._changed = asyncio.Condition()
        self._connections = 0
        self._link: Link | None = None
        self._making = asyncio.Lock()

    async def link(self) -> Link:
        """A link that is up as far as is known. Waits for as long as there is no broker."""
        async with self._making:
            while True:
                try:
                    return await self._current()
                except FAULTS as error:
                    log.info("the broker does not answer yet: %r", error)
                    await asyncio.sleep(RETRY_S)

    async def another(self, number: int) -> None:
        """Return once the connection is another than ``number``."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._connections != number)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    async def _current(self) -> Link:
        if self._client is None:
            await self._connect()
        await self._up.wait()
        if self._link is None or self._link.number != self._connections:
            assert self._client is not None
            number = self._connections
            js = self._client.jetstream(timeout=2)
            self._link = Link(js, number, await _stream(js))
        return self._link

    async def _connect(self) -> None:
        client = Client()
        await client.connect(
            self._url,
            name="shop",
            connect_timeout=2,
            reconnect_time_wait=RETRY_S,
            max_reconnect_attempts=-1,
            ping_interval=5,
            max_outstanding_pings=2,
            error_cb=_note,
            disconnected_cb=self._went_down,
            reconnected_cb=self._came_up,
        )
        self._client = client
        await self._came_up()

    async def _came_up(self) -> None:
        async with self._changed:
            self._connections += 1
            self._up.set()
            self._changed.notify_all()

    async def _went_down(self) -> None:
        self._up.clear()


async def _stream(js: JetStreamContext) -> str:
    """The name of this very stream, which is made if it is not there."""
    try:
        info = await js.stream_info(STREAM)
    except NotFoundError:
        info = await js.add_stream(_STREAM)
    return str(info.created)


async def _note(error: Exception) -> None:
    log.info("the broker: %r", error)
