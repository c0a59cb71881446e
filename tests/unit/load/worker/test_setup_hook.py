"""The hook before the load."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from harness.errors import LoadError
from harness.load.client.routing import Routing
from harness.load.client.session import Session
from harness.load.worker.setup_hook import StrictSink, run_before_load
from harness.spec.route import Route
from tests.support.web import reply, service

Hook = Callable[[Any, Session, random.Random], object]


def user_class(hook: Hook) -> Any:
    return type("SomeUser", (), {"before_load": classmethod(hook)})


def strict(port: int, prefix: str = "/") -> Session:
    return Session(Routing([Route(prefix, "127.0.0.1", port)]), 5, StrictSink())


def test_it_runs_once_with_a_client_and_a_seed_of_its_own() -> None:
    drawn: list[float] = []

    def hook(_cls: Any, client: Session, rng: random.Random) -> None:
        drawn.append(rng.random())
        client.post("/users", b"{}")

    with service(lambda _: reply(200, "")) as one:
        for seed in (1, 1, 2):
            run_before_load(user_class(hook), strict(one.port), seed)
        assert [asked.method for asked in one.asked] == ["POST"] * 3
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0] != random.Random(1).random()


@pytest.mark.parametrize(
    ("hook", "told"),
    [
        (lambda _cls, client, _rng: client.get("/"), "GET /: status 503, expected 200 (answer: warming up)"),
        (lambda _cls, _client, _rng: 1 / 0, "before_load raised ZeroDivisionError"),
        (lambda _cls, client, _rng: client.get("/elsewhere"), "no route leads to /elsewhere"),
    ],
)
def test_its_failure_says_what_happened(hook: Hook, told: str) -> None:
    prefix = "/x" if "elsewhere" in told else "/"
    with service(lambda _: reply(503, "warming up")) as one, pytest.raises(LoadError) as caught:
        run_before_load(user_class(hook), strict(one.port, prefix), 1)
    assert told in caught.value.what
    assert "before_load" in caught.value.remedy


def test_a_service_that_is_not_there_is_told() -> None:
    with service(lambda _: b"") as gone:
        pass
    with pytest.raises(LoadError, match=r"GET /: .*refused"):
        run_before_load(user_class(lambda _cls, client, _rng: client.get("/")), strict(gone.port), 1)
