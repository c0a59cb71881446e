"""The load of the ``shop`` workload: people who mostly look around, and now and then buy. Every answer is checked.

Also works with plain Locust: locust -f workloads/shop/locustfile.py --host http://127.0.0.1:8000
"""

from __future__ import annotations

import json
import random
import uuid
from typing import ClassVar

from locust import between, task

from harness.load import HttpUser
from harness.load.client.http import Response
from harness.load.client.session import Session

ITEMS = 1000
PER_PAGE = 20
BUYERS = 20
SEARCHES = ("oak lamp", "brass", "tiny", "copper kettle", "clock", "linen basket")
_PASSWORD = "weigh the empty box"
_JSON = {"Content-Type": "application/json"}


def price(number: int) -> int:
    """What an item costs, in cents: the seed's formula, written once more so that it is checked."""
    return 100 + number * 7919 % 9901


def is_page(response: Response, page: int) -> bool:
    content = response.json()
    first = (page - 1) * PER_PAGE + 1
    return [item["id"] for item in content["items"]] == list(range(first, first + PER_PAGE))


def is_found(response: Response, words: str) -> bool:
    content = response.json()
    return 0 < len(content["items"]) <= content["total"] and all(words in item["name"] for item in content["items"])


def is_item(response: Response, number: int) -> bool:
    item = response.json()
    return bool(item["id"] == number and item["price_cents"] == price(number))


def is_paid(response: Response, lines: list[tuple[int, int]]) -> bool:
    order = response.json()
    total = sum(price(number) * quantity for number, quantity in lines)
    return bool(order["status"] == "paid" and order["total_cents"] == total)


def buyer(number: int) -> str:
    """One of the users that every new shop has."""
    return f"user-{number:03d}"


def log_in(client: Session, name: str) -> str:
    """The token of a user, by a login that is checked."""
    body = json.dumps({"name": name, "password": _PASSWORD}).encode()
    answer = client.post("/auth/login", body, headers=_JSON, check=lambda answer: answer.json()["token"])
    return str(answer.json()["token"]) if answer.status == 200 else ""


class ShopUser(HttpUser):
    """Browses 70 %, looks at an item 20 %, logs in 5 %, pays 5 %.

    A task's name begins with the route that it asks, which tells the analysis whose function it is.
    """

    wait_time = between(0.05, 0.5)
    tokens: ClassVar[list[str]] = []
    """Of the buyers who have logged in before the load: paying is one request, as it is for who comes with a token."""

    @classmethod
    def before_load(cls, client: Session, rng: random.Random) -> None:  # noqa: ARG003 - the hook's signature
        cls.tokens = [log_in(client, buyer(number)) for number in range(1, BUYERS + 1)]

    @task(70)
    def catalog_browse(self) -> None:
        if self.rng.random() < 0.3:
            words = self.rng.choice(SEARCHES)
            path = f"/catalog/items?q={words.replace(' ', '%20')}&per_page={PER_PAGE}"
            self.client.get(path, check=lambda answer: is_found(answer, words), name="GET /catalog/items?q=")
            return
        page = self.rng.randint(1, ITEMS // PER_PAGE)
        path = f"/catalog/items?page={page}&per_page={PER_PAGE}"
        self.client.get(path, check=lambda answer: is_page(answer, page), name="GET /catalog/items")

    @task(20)
    def catalog_item(self) -> None:
        number = self.rng.randint(1, ITEMS)
        self.client.get(
            f"/catalog/items/{number}", check=lambda answer: is_item(answer, number), name="GET /catalog/items/[id]"
        )

    @task(5)
    def auth_login(self) -> None:
        log_in(self.client, buyer(self.rng.randint(1, BUYERS)))

    @task(5)
    def payments_pay(self) -> None:
        numbers = self.rng.sample(range(1, ITEMS + 1), self.rng.randint(1, 3))
        lines = [(number, self.rng.randint(1, 3)) for number in numbers]
        # Not the seed's: the same key in the next load on this deployment would pay for nothing.
        key = uuid.uuid4().hex
        token = self.rng.choice(self.tokens) if self.tokens else log_in(self.client, buyer(1))
        self.client.post(
            "/payments",
            json.dumps({"items": [{"id": number, "quantity": quantity} for number, quantity in lines]}).encode(),
            expect_status=201,
            check=lambda answer: is_paid(answer, lines),
            headers={**_JSON, "Authorization": f"Bearer {token}", "Idempotency-Key": key},
        )
