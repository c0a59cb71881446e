"""Makes the data that ships with the hello service: app/items.db and app/static/blob.bin. Deterministic.

Run it from anywhere: python workloads/hello/make_data.py
"""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

ITEMS = 1000
BLOB_BYTES = 100_000


def items() -> list[tuple[int, str, int, int]]:
    """Every item: id, name, price in cents, pieces in stock."""
    return [(i, f"item-{i:04d}", 100 + (i * 7919) % 9900, (i * 104_729) % 250) for i in range(1, ITEMS + 1)]


def blob() -> bytes:
    """Bytes that do not compress: SHA-256 of a counter."""
    counter = range(BLOB_BYTES // hashlib.sha256().digest_size + 1)
    return b"".join(hashlib.sha256(b"tare %d" % i).digest() for i in counter)[:BLOB_BYTES]


def write_items(path: Path) -> None:
    """Write the database anew."""
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    connection.execute(
        "CREATE TABLE items "
        "(id INTEGER PRIMARY KEY, name TEXT NOT NULL, price_cents INTEGER NOT NULL, stock INTEGER NOT NULL)"
    )
    connection.executemany("INSERT INTO items VALUES (?, ?, ?, ?)", items())
    connection.commit()
    connection.execute("VACUUM")
    connection.close()


def main() -> None:
    app = Path(__file__).resolve().parent / "app"
    write_items(app / "items.db")
    (app / "static").mkdir(exist_ok=True)
    (app / "static" / "blob.bin").write_bytes(blob())


if __name__ == "__main__":
    main()
