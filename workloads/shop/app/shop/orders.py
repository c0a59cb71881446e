"""The payments' database: paid orders, and the outbox of their events, written in one transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shop.database import open_database, transaction

_SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
  id TEXT PRIMARY KEY, user TEXT NOT NULL, key TEXT NOT NULL, basket TEXT NOT NULL, answer TEXT NOT NULL,
  UNIQUE (user, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox (
  number INTEGER PRIMARY KEY, event TEXT NOT NULL UNIQUE, payload TEXT NOT NULL, published INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS pending ON outbox (number) WHERE published = 0;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a basket."""

    id: int
    quantity: int


@dataclass(frozen=True, slots=True)
class Order:
    """A paid order: for which basket, and the answer that its buyer got."""

    id: str
    basket: str
    answer: str


@dataclass(frozen=True, slots=True)
class Pending:
    """An event that the broker has not acknowledged."""

    number: int
    event: str
    payload: str


def basket_text(lines: Sequence[Line]) -> str:
    """The basket in one way of writing, whatever the order of its lines: equal baskets are equal texts."""
    return json.dumps([[line.id, line.quantity] for line in sorted(lines, key=lambda line: line.id)])


def answer_text(order: str, lines: Sequence[Line], prices: dict[int, int]) -> str:
    """What the buyer is told, as JSON."""
    priced = [{"id": line.id, "quantity": line.quantity, "price_cents": prices[line.id]} for line in lines]
    total = sum(prices[line.id] * line.quantity for line in lines)
    content = {"id": order, "status": "paid", "total_cents": total, "items": priced}
    return json.dumps(content, separators=(",", ":"))


def event_text(order: str, lines: Sequence[Line], paid_ns: int) -> str:
    """The event ``order.paid``, as JSON."""
    items = [{"id": line.id, "quantity": line.quantity} for line in lines]
    return json.dumps({"event": order, "type": "order.paid", "paid_ns": paid_ns, "items": items}, separators=(",", ":"))


class Orders:
    """Every method leaves the database as it found it or completely changed."""

    def __init__(self, file: Path) -> None:
        self._db = open_database(file, _SCHEMA)

    def by_key(self, user: str, key: str) -> Order | None:
        """The order that this user has paid with that idempotency key."""
        row = self._db.execute(
            "SELECT id, basket, answer FROM orders WHERE user = ? AND key = ?", (user, key)
        ).fetchone()
        return None if row is None else Order(**dict(row))

    def by_id(self, user: str, order: str) -> Order | None:
        """That order, if it is this user's."""
        row = self._db.execute(
            "SELECT id, basket, answer FROM orders WHERE id = ? AND user = ?", (order, user)
        ).fetchone()
        return None if row is None else Order(**dict(row))

    def pay(self, user: str, key: str, order: Order, event: str) -> Order:
        """Keep the order and its event, both or neither. Returns the one that was there before, if there was one."""
        with transaction(self._db):
            if (earlier := self.by_key(user, key)) is not None:
                return earlier
            self._db.execute(
                "INSERT INTO orders VALUES (?, ?, ?, ?, ?)", (order.id, user, key, order.basket, order.answer)
            )
            self._db.execute("INSERT INTO outbox (event, payload) VALUES (?, ?)", (order.id, event))
        return order

    def pending(self, limit: int) -> list[Pending]:
        """The oldest events that the broker has not acknowledged."""
        rows = self._db.execute(
            "SELECT number, event, payload FROM outbox WHERE published = 0 ORDER BY number LIMIT ?", (limit,)
        )
        return [Pending(**dict(row)) for row in rows]

    def published(self, numbers: Sequence[int]) -> None:
        """Mark what the broker has acknowledged."""
        with transaction(self._db):
            self._db.executemany("UPDATE outbox SET published = 1 WHERE number = ?", [(number,) for number in numbers])

    def publish_into(self, stream: str) -> bool:
        """Whether that stream is new to us: then every event is pending again, for it holds none of them."""
        with transaction(self._db):
            row = self._db.execute("SELECT value FROM facts WHERE name = 'stream'").fetchone()
            if row is not None and row["value"] == stream:
                return False
            self._db.execute("INSERT OR REPLACE INTO facts VALUES ('stream', ?)", (stream,))
            self._db.execute("UPDATE outbox SET published = 0 WHERE published = 1")
        return True

    def counts(self) -> tuple[int, int]:
        """How many orders there are, and how many of their events are pending."""
        orders = self._db.execute("SELECT count(*) FROM orders").fetchone()[0]
        pending = self._db.execute("SELECT count(*) FROM outbox WHERE published = 0").fetchone()[0]
        return int(orders), int(pending)

    def close(self) -> None:
        self._db.close()
