"""auth: who is who. Registers, logs in, signs tokens; keeps no sessions."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shop import passwords, seed
from shop.database import open_database, transaction
from shop.tokens import LIFETIME_S, Signer
from shop.web import Refused, only_keys, read_object

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{2,39}")
_PASSWORD_LENGTHS = range(8, 129)

_SCHEMA = "CREATE TABLE IF NOT EXISTS users (name TEXT PRIMARY KEY, password TEXT NOT NULL) WITHOUT ROWID;"


class Users:
    """The users and the hashes of their passwords."""

    def __init__(self, file: Path) -> None:
        self._db = open_database(file, _SCHEMA)
        if not self._db.execute("SELECT 1 FROM users LIMIT 1").fetchone():
            kept = passwords.hashed(seed.PASSWORD)
            with transaction(self._db):
                self._db.executemany("INSERT INTO users VALUES (?, ?)", [(name, kept) for name in seed.users()])

    def kept(self, name: str) -> str | None:
        """The hash of that user's password, or None for nobody."""
        row: sqlite3.Row | None = self._db.execute("SELECT password FROM users WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row["password"])

    def add(self, name: str, kept: str) -> bool:
        """Whether the user was new."""
        done = self._db.execute("INSERT INTO users VALUES (?, ?) ON CONFLICT DO NOTHING", (name, kept))
        return done.rowcount == 1

    def close(self) -> None:
        self._db.close()


class Auth:
    """The function auth: it needs nobody."""

    ready = True

    def __init__(self, file: Path, signer: Signer) -> None:
        self._users = Users(file)
        self._signer = signer

    def routes(self) -> list[Route]:
        return [
            Route("/auth/register", self._register, methods=["POST"]),
            Route("/auth/login", self._login, methods=["POST"]),
        ]

    async def run(self) -> None:
        """There is nothing to do between requests."""

    async def close(self) -> None:
        self._users.close()

    async def _register(self, request: Request) -> Response:
        """Registering again with the same password is the same registration: a client that got no answer may repeat."""
        name, password = await _credentials(request)
        # scrypt lets go of the interpreter's lock, so a thread keeps the event loop free.
        if self._users.add(name, await asyncio.to_thread(passwords.hashed, password)):
            return JSONResponse({"name": name}, 201)
        if not await self._is(name, password):
            raise Refused(409, "that name is taken")
        return JSONResponse({"name": name}, 201)

    async def _login(self, request: Request) -> Response:
        name, password = await _credentials(request)
        if not await self._is(name, password):
            raise Refused(401, "the name or the password is wrong", {"www-authenticate": "Bearer"})
        return JSONResponse({"token": self._signer.sign(name), "expires_in": LIFETIME_S})

    async def _is(self, name: str, password: str) -> bool:
        kept = self._users.kept(name)
        if kept is None:
            await asyncio.to_thread(passwords.hashed, password)  # so that the time does not tell who exists
            return False
        return await asyncio.to_thread(passwords.matches, password, kept)


async def _credentials(request: Request) -> tuple[str, str]:
    content = await read_object(request)
    only_keys(content, "name", "password")
    name, password = content["name"], content["password"]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise Refused(422, f"a name matches {_NAME.pattern}")
    if not isinstance(password, str) or len(password) not in _PASSWORD_LENGTHS or not _is_text(password):
        raise Refused(422, "a password is a text of 8 to 128 characters")
    return name, password


def _is_text(value: str) -> bool:
    """Whether it can be written as UTF-8: JSON's escapes can name half a character."""
    return value.isprintable() or all(not 0xD800 <= ord(character) <= 0xDFFF for character in value)
