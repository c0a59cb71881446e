"""Serves until SIGTERM: python -m origin, with ORIGIN_HOST, ORIGIN_PORT, ORIGIN_CATALOGUE and the keys of Freshness."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from origin.answers import Freshness, Origin
from origin.connection import Connection, Date
from origin.table import read_sizes

_BACKLOG = 4096


async def serve(origin: Origin, host: str, port: int) -> None:
    """Listen and answer until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        # The first process of a container has no default action for either.
        loop.add_signal_handler(number, stop.set)
    date = Date()
    server = await loop.create_server(lambda: Connection(origin, date), host, port, backlog=_BACKLOG)
    await stop.wait()
    server.close()


def main() -> None:
    env = os.environ
    try:
        sizes = read_sizes(Path(env["ORIGIN_CATALOGUE"]))
        origin = Origin(sizes, Freshness.of(env))
        host, port = env.get("ORIGIN_HOST", "127.0.0.1"), int(env.get("ORIGIN_PORT", "8000"))
    except (KeyError, ValueError, OSError) as error:
        sys.exit(f"origin: {type(error).__name__}: {error}")
    asyncio.run(serve(origin, host, port))


if __name__ == "__main__":
    main()
