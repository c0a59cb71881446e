"""The load of the ``static`` workload: objects in the order of a sequence, every body checked from its name and size.

Also works with plain Locust: locust -f workloads/static/locustfile.py --host http://127.0.0.1:8080
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import ClassVar

from locust import constant, task

from harness.load import HttpUser
from harness.load.client.http import Response

sys.path.append(str(Path(__file__).resolve().parent / "app"))

from origin.content import content


def is_content(response: Response, path: str, size: int) -> bool:
    return response.body == content(path, size)


class StaticUser(HttpUser):
    """One object an arrival: the next of the sequence.

    ``private_of_20``: how many of 20 objects, by their numbers, are asked for where no cache may keep them. None, so
    that hit ratios are those of the sequence.
    """

    wait_time = constant(0)
    private_of_20: ClassVar[int] = 0

    @task
    def objects(self) -> None:
        number, size = self.next_object()
        folder = "private" if number % 20 < self.private_of_20 else "objects"
        path = f"/{folder}/{number}"
        self.client.get(path, check=lambda answer: is_content(answer, path, size), name=f"GET /{folder}/[n]")
