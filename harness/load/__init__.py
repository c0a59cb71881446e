"""The load generator: arrivals by a seeded schedule, an exact HTTP client inside Locust, raw samples, and its runner.

Importing this package does not import Locust, which monkey-patches the process that imports it. Only a locustfile,
which runs in Locust's own process, asks for ``harness.load.HttpUser``, and only then is Locust imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.load.worker.user import HttpUser

__all__ = ["HttpUser"]


def __getattr__(name: str) -> object:
    if name == "HttpUser":
        from harness.load.worker.user import HttpUser

        return HttpUser
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
