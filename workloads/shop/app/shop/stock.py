"""The catalog's database: the items, their stock, and every event that lowered it."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shop import seed
from shop.database import open_database, transaction

_SCHEMA = """
CREATE TABLE IF NOT EXISTS items (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, price_cents INTEGER NOT NULL, stock INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS applied (
  number INTEGER PRIMARY KEY, event TEXT NOT NULL UNIQUE, paid_ns INTEGER, published_ns INTEGER, applied_ns INTEGER);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""

_ITEM = "SELECT id, name, price_cents FROM items"


@dataclass(frozen=True, slots=True)
class Paid:
    """An event ``order.paid``: what was bought, and the stamps of its way, None where they are another kernel's."""

    event: str
    items: tuple[tuple[int, int], ...]
    paid_ns: int | None
    published_ns: int | None


class Stock:
    """Every method leaves the database as it found it or completely changed."""

    def __init__(self, file: Path) -> None:
        self._db = open_database(file, _SCHEMA)
        if not self._db.execute("SELECT 1 FROM items LIMIT 1").fetchone():
            with transaction(self._db):
                self._db.executemany("INSERT INTO items VALUES (?, ?, ?, ?)", seed.items())
                self._db.execute("INSERT INTO facts VALUES ('identity', ?)", (secrets.token_hex(6),))
        self._count = int(self._db.execute("SELECT count(*) FROM applied").fetchone()[0])
        self.identity = str(self._db.execute("SELECT value FROM facts WHERE name = 'identity'").fetchone()[0])
        """Names this database: another one, made anew, has seen none of the events and must be told all of them."""

    def item(self, number: int) -> dict[str, Any] | None:
        row = self._db.execute(f"{_ITEM} WHERE id = ?", (number,)).fetchone()
        return None if row is None else dict(row)

    def page(self, page: int, per_page: int, query: str) -> tuple[list[dict[str, Any]], int]:
        """The items of that page whose names hold ``query`` in any case, and how many there are on all pages."""
        # Not LIKE: it knows wildcards, and ends at a NUL.
        where = " WHERE instr(name, ?) > 0" if query else ""
        given: tuple[str, ...] = (query.lower(),) if query else ()
        total = self._db.execute(f"SELECT count(*) FROM items{where}", given).fetchone()[0]
        rows = self._db.execute(
            f"{_ITEM}{where} ORDER BY id LIMIT ? OFFSET ?", (*given, per_page, (page - 1) * per_page)
        )
        return [dict(row) for row in rows], int(total)

    def left(self, number: int) -> int | None:
        """How many of an item there are. Less than none are back-orders."""
        row = self._db.execute("SELECT stock FROM items WHERE id = ?", (number,)).fetchone()
        return None if row is None else int(row["stock"])

    def prices(self, numbers: Sequence[int]) -> dict[int, int]:
        """The prices in cents of those items that exist."""
        marks = ",".join("?" * len(numbers))
        rows = self._db.execute(f"SELECT id, price_cents FROM items WHERE id IN ({marks}) ORDER BY id", tuple(numbers))
        return {row["id"]: row["price_cents"] for row in rows}

    def apply(self, paid: Paid, applied_ns: int) -> bool:
        """Lower the stock by what was bought, once per event: the event's id is written in the same transaction.

        Returns False, having changed nothing, for an event that was applied before.
        """
        with transaction(self._db):
            added = self._db.execute(
                "INSERT INTO applied (event, paid_ns, published_ns, applied_ns) VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (paid.event, paid.paid_ns, paid.published_ns, applied_ns),
            )
            if added.rowcount != 1:
                return False
            self._db.executemany(
                "UPDATE items SET stock = stock - ? WHERE id = ?",
                [(quantity, number) for number, quantity in paid.items],
            )
        self._count += 1
        return True

    @property
    def applied(self) -> int:
        """How many events were applied to this database."""
        return self._count

    def stamps(self, last: int) -> Iterable[sqlite3.Row]:
        """``event``, ``paid_ns``, ``published_ns``, ``applied_ns`` of the last events, oldest first."""
        rows = self._db.execute(
            "SELECT event, paid_ns, published_ns, applied_ns FROM applied ORDER BY number DESC LIMIT ?", (last,)
        )
        found: list[sqlite3.Row] = rows.fetchall()
        return reversed(found)

    def close(self) -> None:
        self._db.close()
