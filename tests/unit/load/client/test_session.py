"""Sessions to several places, directly and through a forward proxy."""

from __future__ import annotations

import socket

import gevent
import pytest

from harness.load.client.http import ExchangeFailed, Response
from harness.load.client.routing import Routing
from harness.load.client.session import Session
from harness.load.recorder import Outcome
from harness.load.worker.setup_hook import StrictSink
from harness.spec.route import Route, Way
from tests.support.web import Asked, fetch, reply, service


class Told:
    """Keeps what a session reports."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Outcome]] = []

    def answered(self, name: str, response: Response, outcome: Outcome, problem: str) -> None:
        assert (outcome is Outcome.OK) == (not problem)
        assert response.sent_ns < response.done_ns
        self.seen.append((name, outcome))

    def failed(self, name: str, failure: ExchangeFailed) -> None:
        assert failure.what
        self.seen.append((name, Outcome.ERROR))


def named(name: str) -> bytes:
    return reply(200, name)


def failure_of(session: Session, path: str) -> ExchangeFailed:
    with pytest.raises(ExchangeFailed) as caught:
        session.get(path)
    return caught.value


def test_the_path_decides_and_each_place_has_one_connection() -> None:
    with service(lambda _: named("shop")) as shop, service(lambda _: named("pay")) as pay:
        routes = [
            Route("/", "127.0.0.1", shop.port),
            Route("/payments", "127.0.0.1", pay.port),
            Route("/basket", "127.0.0.1", pay.port),
        ]
        told = Told()
        session = Session(Routing(routes), 5, told)
        for path, answerer in [("/", "shop"), ("/payments/1", "pay"), ("/paymentsX", "shop"), ("/basket?a", "pay")] * 2:
            assert session.get(path).body == answerer.encode()
        session.close()
        assert len(session.connections) == 2
        assert (shop.connections, pay.connections) == (1, 1)
        for told_by in (shop, pay):
            assert {asked.headers["host"] for asked in told_by.asked} == {f"127.0.0.1:{told_by.port}"}
    assert told.seen[:2] == [("GET /", Outcome.OK), ("GET /payments/1", Outcome.OK)]


def test_through_a_forward_proxy_there_is_one_connection_and_the_absolute_form() -> None:
    with (
        service(lambda _: named("shop")) as shop,
        service(lambda _: named("pay")) as pay,
        service(fetch) as forward_proxy,
    ):
        routes = [Route("/", "127.0.0.1", shop.port), Route("/pay", "127.0.0.1", pay.port)]
        session = Session(Routing(routes, Way(forward_proxy=("127.0.0.1", forward_proxy.port))), 5, Told())
        assert session.get("/x?y=1").body == b"shop"
        assert session.post("/pay", b"5").body == b"pay"
        session.close()
        assert forward_proxy.connections == 1
        assert [asked.target for asked in forward_proxy.asked] == [
            f"http://127.0.0.1:{shop.port}/x?y=1",
            f"http://127.0.0.1:{pay.port}/pay",
        ]
        assert [asked.headers["host"] for asked in forward_proxy.asked] == [
            f"127.0.0.1:{each.port}" for each in (shop, pay)
        ]
        assert pay.asked[0].body == "5"


def test_a_path_without_a_route_is_refused_before_anything_is_sent() -> None:
    told = Told()
    session = Session(Routing([Route("/a", "127.0.0.1", 1)]), 5, told)
    with pytest.raises(ValueError, match="no route leads to /b"):
        session.get("/b")
    assert told.seen == []


def test_a_dead_place_keeps_nobody_else_waiting_and_its_own_no_longer_than_the_limit() -> None:
    """A full accept queue answers no SYN, as a machine that is switched off does."""
    with service(lambda _: named("alive")) as alive, socket.create_server(("127.0.0.1", 0), backlog=0) as dead:
        dead_port = dead.getsockname()[1]
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", dead_port))
        routing = Routing([Route("/alive", "127.0.0.1", alive.port), Route("/dead", "127.0.0.1", dead_port)])
        sessions = [Session(routing, 1.0, Told()) for _ in range(2)]
        waiting = gevent.spawn(failure_of, sessions[0], "/dead")
        gevent.sleep(0)
        assert sessions[1].get("/alive").body == b"alive"
        assert not waiting.ready()
        assert "within 1 s" in waiting.get(timeout=10).what
        assert sessions[0].get("/alive").body == b"alive"
        for session in sessions:
            session.close()
        for filler in fillers:
            filler.close()


def test_a_killed_service_refuses_and_is_reached_again_when_it_is_back() -> None:
    with service(lambda _: named("first")) as first:
        session = Session(Routing([Route("/", "127.0.0.1", first.port)]), 5, Told())
        assert session.get("/").body == b"first"
    for _ in range(3):
        with pytest.raises(ExchangeFailed, match="refused"):
            session.get("/")
    with service(lambda _: named("second"), port=first.port):
        assert session.get("/").body == b"second"
        session.close()


def test_a_strict_sink_lets_nothing_unexpected_pass() -> None:
    def answer(asked: Asked) -> bytes:
        return reply(409, "taken  already") if asked.method == "POST" else named("ok")

    with service(answer) as one:
        session = Session(Routing([Route("/", "127.0.0.1", one.port)]), 5, StrictSink())
        session.get("/")
        with pytest.raises(Exception, match=r"POST /users: status 409, expected 201 \(answer: taken already\)"):
            session.post("/users", b"{}", expect_status=201)
        session.close()
