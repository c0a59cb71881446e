"""The catalog as payments asks it over HTTP where it is another service."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Protocol

import aiohttp

RETRY_S = 0.1
TIMEOUT_S = 5.0


class CatalogDown(Exception):
    """The catalog gave no usable answer."""


class Prices(Protocol):
    """Who knows the prices: the catalog in this process, or the one of another service."""

    async def prices(self, numbers: Sequence[int]) -> dict[int, int]: ...


class RemoteCatalog:
    """Kept-alive connections to the catalog's service. (aiohttp: its parser is compiled, as uvicorn's is.)"""

    def __init__(self, address: str) -> None:
        self._base = f"http://{address}/catalog"
        self._session: aiohttp.ClientSession | None = None

    async def prices(self, numbers: Sequence[int]) -> dict[int, int]:
        """The prices in cents of those items that exist. Raises CatalogDown."""
        ids = ",".join(str(number) for number in numbers)
        try:
            found = json.loads(await self._get(f"/prices?ids={ids}"))["prices"]
            return {int(number): int(price) for number, price in found.items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CatalogDown(f"an answer that is none: {error!r}") from error

    async def answers(self) -> None:
        """Return once the catalog has said that it is ready."""
        while True:
            try:
                await self._get("/health")
            except CatalogDown:
                await asyncio.sleep(RETRY_S)
            else:
                return

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _get(self, path: str) -> bytes:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))
        try:
            async with self._session.get(f"{self._base}{path}") as answer:
                if answer.status != 200:
                    raise CatalogDown(f"status {answer.status}")
                return bytes(await answer.read())
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise CatalogDown(repr(error)) from error
