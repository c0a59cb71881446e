"""One SQLite file per function, in WAL mode, used by the one event loop of its process."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def open_database(file: Path, schema: str) -> sqlite3.Connection:
    """The database with its tables made. What is committed survives the death of the process, by SIGKILL too.

    ``synchronous=NORMAL``: a loss of power may take the last commits, never the file's consistency. A sync to the disk
    per order would measure the disk, which every target shares.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    connection = sqlite3.connect(file, isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA busy_timeout=5000")
    connection.executescript(schema)
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing. Holds the event loop: nothing may be awaited inside."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        # A request that is cancelled, too, must not leave the transaction open.
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
