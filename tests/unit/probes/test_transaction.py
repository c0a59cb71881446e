"""Transactions over services that come up late, answer wrongly at first, or never."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Sequence

import pytest

from harness.clock import now_ns
from harness.errors import NotReady, SpecError
from harness.probes import prober
from harness.probes.transaction import Transaction
from harness.runtime.confinement import Confinement
from harness.spec.route import STRAIGHT, Route, Way
from harness.spec.topology import Step
from tests.support.authority import Authority
from tests.support.web import Asked, fetch, reply, service

CPUS = frozenset({max(os.sched_getaffinity(0))})

LOGIN = Step(
    path="/login", method="POST", body='{"name":"ann"}', status=201, capture={"token": "token", "id": "user.ids.0"}
)
PAY = Step(
    path="/pay/${id}", method="POST", body='{"as":"${id}"}', headers={"authorization": "Bearer ${token}"},
    body_contains='"paid"',
)  # fmt: skip


def auth(_: Asked) -> bytes:
    return reply(201, json.dumps({"token": "a.b", "user": {"ids": [7]}}))


def pay(_: Asked) -> bytes:
    return reply(200, '{"state": "paid"}')


def over(steps: Sequence[Step], *routes: Route, way: Way = STRAIGHT) -> Transaction:
    return Transaction(steps, routes, Confinement(None, CPUS), way)


def to(port: int, prefix: str = "/") -> Route:
    return Route(prefix, "127.0.0.1", port)


def test_a_step_uses_what_the_one_before_gave() -> None:
    with service(auth) as one, service(pay) as other:
        with over([LOGIN, PAY], to(one.port), to(other.port, "/pay")) as transaction:
            begun_ns = now_ns()
            transaction.go()
            result = transaction.result(20)
        assert [(step.name, step.attempts) for step in result.steps] == [("POST /login", 1), ("POST /pay/${id}", 1)]
        assert begun_ns < result.listening_ns < result.steps[0].done_ns < result.steps[1].done_ns == result.done_ns
        assert (result.attempts, result.resolution_ns) == (2, 0)
        assert 0 < result.cpu_ns < result.done_ns - begun_ns
        (login,), (paid,) = one.asked, other.asked
        assert (login.method, login.target, login.body) == ("POST", "/login", '{"name":"ann"}')
        assert login.headers["content-type"] == "application/json"
        assert login.headers["host"] == f"127.0.0.1:{one.port}"
        assert (paid.target, paid.body, paid.headers["authorization"]) == ("/pay/7", '{"as":"7"}', "Bearer a.b")


def test_each_step_is_repeated_until_its_own_answer_is_right() -> None:
    """The second service comes up late, and then answers wrongly in every way that a step can tell."""
    wrong = [reply(503, "starting"), reply(200, "not it"), b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort"]

    def late(asked: Asked) -> bytes:
        return wrong.pop(0) if wrong else pay(asked)

    def forgetful(asked: Asked) -> bytes:
        return reply(201, "{}") if len(one.asked) < 3 else auth(asked)

    with service(forgetful) as one:
        with service(pay) as place:
            pass
        with over([LOGIN, PAY], to(one.port), to(place.port, "/pay")) as transaction:
            transaction.go()
            time.sleep(0.1)
            begun_ns = now_ns()
            with service(late, port=place.port) as other:
                result = transaction.result(20)
                assert len(other.asked) == 4
        assert len(one.asked) == 3
        assert result.steps[0].attempts == 3
        assert result.steps[1].attempts > 4
        assert result.steps[0].done_ns < begun_ns < result.done_ns
        assert result.resolution_ns > 0


def test_a_request_that_was_taken_is_not_made_a_second_time_beside_it() -> None:
    most = under_way = 0
    lock = threading.Lock()

    def slow(asked: Asked) -> bytes:
        nonlocal most, under_way
        with lock:
            under_way += 1
            most = max(most, under_way)
        # Longer than a readiness check's request keeps others back.
        time.sleep(prober.PATIENCE_NS / 1e9 + 0.3)
        with lock:
            under_way -= 1
        return pay(asked)

    with service(auth) as one, service(slow) as other:
        with over([LOGIN, PAY], to(one.port), to(other.port, "/pay")) as transaction:
            transaction.go()
            result = transaction.result(20)
        assert len(other.asked) == most == 1
        assert result.steps[1].attempts == 1


def test_when_time_is_up_it_tells_the_step_and_what_it_saw_last() -> None:
    with (
        service(auth) as one,
        service(lambda _: reply(402, "no  money" + "!" * 300)) as other,
        over([LOGIN, PAY], to(one.port), to(other.port, "/pay")) as transaction,
    ):
        transaction.go()
        with pytest.raises(NotReady) as caught:
            transaction.result(0.3)
    assert "within 0.3 s: step 2 of 2, POST /pay/${id} (last seen: status 402: no money!!!" in caught.value.what
    assert len(caught.value.what) < 400


def test_services_that_ended_are_not_waited_for() -> None:
    with service(auth) as gone:
        pass
    with over([LOGIN], to(gone.port)) as transaction:
        transaction.go()
        with pytest.raises(NotReady, match=r"ended before .*: step 1 of 1, POST /login \(last seen: refused\)"):
            transaction.result(60, alive=lambda: False)


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ([], "without steps"),
        ([PAY, LOGIN], "no step before it captures ${id}"),
        ([Step(path="/x")], "no route leads to /x"),
    ],
)
def test_steps_that_cannot_be_asked_are_refused(steps: list[Step], told: str) -> None:
    with pytest.raises(SpecError) as caught:
        over(steps, to(1, "/login"), to(1, "/pay"))
    assert told in caught.value.what


def test_over_tls_and_through_a_forward_proxy(authority: Authority) -> None:
    server = authority.server("127.0.0.1")
    with (
        service(auth, tls=server) as one,
        service(pay, tls=server) as other,
        over([LOGIN, PAY], to(one.port), to(other.port, "/pay"), way=Way(tls_ca=str(authority.pem))) as transaction,
    ):
        transaction.go()
        assert transaction.result(20).attempts == 2
    with service(auth) as one, service(pay) as other, service(fetch) as forward_proxy:
        routes = to(one.port), to(other.port, "/pay")
        with over([LOGIN, PAY], *routes, way=Way(forward_proxy=("127.0.0.1", forward_proxy.port))) as transaction:
            transaction.go()
            assert transaction.result(20).attempts == 2
        assert [asked.target for asked in forward_proxy.asked] == [
            f"http://127.0.0.1:{one.port}/login",
            f"http://127.0.0.1:{other.port}/pay/7",
        ]
