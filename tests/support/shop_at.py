"""Where a running shop is, however it was deployed, and how the tests talk to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.until import until

FIRST_PASSWORD = "a password for tests"
JSON_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class ShopAt:
    """One shop: path prefixes to base URLs (``{"/auth": "http://198.18.0.10:8001"}``), all the same behind a proxy."""

    routes: Mapping[str, str]
    client: httpx.Client = field(default_factory=lambda: httpx.Client(trust_env=False, timeout=60))

    def base(self, path: str) -> str:
        """The base URL of what answers that path; a path without a route goes to the catalog."""
        return next((base for prefix, base in self.routes.items() if path.startswith(prefix)), self.routes["/catalog"])

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str = "",
        key: str = "",
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send a request and return its answer, which is JSON with an object in it, whatever its status."""
        if body is not None:
            content = json.dumps(body).encode()
        answer = self.client.request(
            method,
            f"{self.base(path)}{path}",
            content=content,
            headers={
                **({"content-type": JSON_TYPE} if content is not None else {}),
                **({"authorization": f"Bearer {token}"} if token else {}),
                **({"idempotency-key": key} if key else {}),
                **(headers or {}),
            },
        )
        if method != "HEAD":
            assert answer.headers["content-type"].startswith(JSON_TYPE), answer.text
            content_is_object = isinstance(answer.json(), dict)
            assert content_is_object, answer.text
            assert answer.status_code < 400 or set(answer.json()) == {"error"} or "status" in answer.json(), answer.text
        return answer

    def get(self, path: str) -> Any:
        """What a GET that succeeds answers."""
        answer = self.call("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def token(self, name: str, password: str = FIRST_PASSWORD) -> str:
        """The token of a user, who is registered first."""
        credentials = {"name": name, "password": password}
        assert self.call("POST", "/auth/register", credentials).status_code == 201
        answer = self.call("POST", "/auth/login", credentials)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["token"])

    def pay(self, token: str, key: str, *lines: tuple[int, int]) -> httpx.Response:
        """Pay for a basket of (item, quantity)."""
        items = [{"id": number, "quantity": quantity} for number, quantity in lines]
        return self.call("POST", "/payments", {"items": items}, token=token, key=key)

    def stock(self, number: int) -> int:
        return int(self.get(f"/catalog/items/{number}/stock")["stock"])

    def orders(self) -> int:
        """How many orders were ever paid."""
        return int(self.get("/payments/outbox")["orders"])

    def settled(self, timeout_s: float = 60) -> int:
        """Wait until every paid order has reached the catalog. Returns how many events it has applied."""

        def done() -> bool:
            outbox = self.get("/payments/outbox")
            return bool(outbox["pending"] == 0 and self.get("/catalog/events?last=0")["applied"] >= outbox["orders"])

        until(done, timeout_s)
        return int(self.get("/catalog/events?last=0")["applied"])
