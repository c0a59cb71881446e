"""The load of the ``hello`` workload, with every answer checked. Also works with plain Locust:

locust -f workloads/hello/locustfile.py --host http://127.0.0.1:8080
"""

from __future__ import annotations

import random

from locust import between, task

from harness.load import HttpUser
from harness.load.client.http import Response

ITEMS = 1000
BLOB_BYTES = 100_000
_ALPHABET = b"abcdefghijklmnopqrstuvwxyz0123456789"
_ECHO_HEADERS = {"Content-Type": "application/octet-stream"}


def is_healthy(response: Response) -> bool:
    return bool(response.json()["status"] == "ok")


def is_item(response: Response, number: int) -> bool:
    item = response.json()
    return bool(item["id"] == number and item["name"] == f"item-{number:04d}")


def random_body(rng: random.Random) -> bytes:
    return bytes(rng.choices(_ALPHABET, k=rng.randint(16, 512)))


class HelloUser(HttpUser):
    """Mostly item lookups, as of a small JSON service."""

    wait_time = between(0.01, 0.05)

    @task(70)
    def items(self) -> None:
        number = self.rng.randint(1, ITEMS)
        self.client.get(f"/items/{number}", check=lambda answer: is_item(answer, number), name="GET /items/[id]")

    @task(10)
    def health(self) -> None:
        self.client.get("/health", check=is_healthy)

    @task(15)
    def echo(self) -> None:
        body = random_body(self.rng)
        self.client.post("/echo", body, check=lambda answer: answer.body == body, headers=_ECHO_HEADERS)

    @task(5)
    def static(self) -> None:
        self.client.get("/static/blob.bin", check=lambda answer: len(answer.body) == BLOB_BYTES)
