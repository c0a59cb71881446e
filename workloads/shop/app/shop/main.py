"""A process of the shop: the functions that its environment names, behind one HTTP server.

Run by: python3 -m uvicorn --factory shop.main:create_app
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shop.auth import Auth
from shop.broker import Broker
from shop.catalog import Catalog
from shop.payments import Payments
from shop.prices import RemoteCatalog
from shop.settings import Settings
from shop.tokens import Signer, Verifier
from shop.web import Refused, failed, not_served, refused

log = logging.getLogger("uvicorn.error")

Answer = Callable[[Request], Awaitable[Response]]


class Process:
    """The functions of one process and what they share."""

    def __init__(self, settings: Settings) -> None:
        self._version = settings.version
        self._broker = Broker(settings.broker)
        self.functions: dict[str, Auth | Catalog | Payments] = {}
        if "auth" in settings.serves:
            self.functions["auth"] = Auth(settings.database("auth"), Signer(settings.signing_key))
        catalog: Catalog | RemoteCatalog = RemoteCatalog(settings.catalog)
        if "catalog" in settings.serves:
            catalog = self.functions["catalog"] = Catalog(settings.database("catalog"), self._broker)
        if "payments" in settings.serves:
            verifier = Verifier(settings.verify_key)
            self.functions["payments"] = Payments(settings.database("payments"), self._broker, verifier, catalog)

    def routes(self) -> list[Route]:
        """Health first: ``/health`` of the process as a whole, and one below each function's prefix."""
        health = [Route("/health", self._health(*self.functions))]
        health += [Route(f"/{name}/health", self._health(name)) for name in self.functions]
        return health + [route for function in self.functions.values() for route in function.routes()]

    @asynccontextmanager
    async def running(self, _app: Starlette) -> AsyncIterator[None]:
        """The functions' own work, for as long as the server runs."""
        tasks = [asyncio.create_task(function.run()) for function in self.functions.values()]
        tasks += [asyncio.create_task(f.settle()) for f in self.functions.values() if isinstance(f, Payments)]
        for task in tasks:
            task.add_done_callback(_died)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)  # what one died of was said then
            await self._broker.close()
            for function in self.functions.values():
                await function.close()

    def _health(self, *names: str) -> Answer:
        async def health(_request: Request) -> Response:
            waiting = [name for name in names if not self.functions[name].ready]
            status = "waiting for what it needs" if waiting else "ok"
            content = {"service": "+".join(names), "status": status, "version": self._version}
            return JSONResponse(content, 503 if waiting else 200)

        return health


def create_app() -> Starlette:
    """The application that the environment asks for. Raises ValueError for an environment that is wrong."""
    process = Process(Settings.of(os.environ))
    app = Starlette(
        routes=process.routes(),
        lifespan=process.running,
        exception_handlers={Refused: refused, HTTPException: not_served, Exception: failed},
    )
    app.router.redirect_slashes = False
    return app


def _died(task: asyncio.Task[None]) -> None:
    """A service whose consumer or relay has died must not go on looking healthy: it ends, and says why."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a task of the service died", exc_info=error)
        signal.raise_signal(signal.SIGTERM)
