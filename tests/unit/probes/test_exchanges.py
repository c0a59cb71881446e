"""A workload's fixed exchanges, asked of several services, over TLS and through a forward proxy."""

from __future__ import annotations

import hashlib

import pytest

from harness.errors import LoadError
from harness.probes import exchanges
from harness.probes.exchanges import ask
from harness.spec.route import Route, Way
from tests.support.authority import Authority
from tests.support.web import Asked, fetch, reply, service

EXCHANGES = [("GET", "/a?x=1", ""), ("POST", "/pay/1", "{}")]


def echo(asked: Asked) -> bytes:
    return reply(201 if asked.body else 200, asked.target)


def expected(path: str, status: int) -> tuple[int, str]:
    return status, f"sha256:{hashlib.sha256(path.encode()).hexdigest()}"


ANSWERS = {"GET /a?x=1": expected("/a?x=1", 200), "POST /pay/1": expected("/pay/1", 201)}


def test_each_is_asked_of_its_service_directly_and_through_a_proxy() -> None:
    with service(echo) as one, service(echo) as other, service(fetch) as forward_proxy:
        routes = [Route("/", "127.0.0.1", one.port), Route("/pay", "127.0.0.1", other.port)]
        assert ask(EXCHANGES, routes, None) == ANSWERS
        assert ask(EXCHANGES, routes, None, Way(forward_proxy=("127.0.0.1", forward_proxy.port))) == ANSWERS
        assert [asked.target for asked in other.asked] == ["/pay/1"] * 2
        assert {asked.headers["host"] for asked in other.asked} == {f"127.0.0.1:{other.port}"}
        assert other.asked[0].headers["content-type"] == "application/json"
        assert len(forward_proxy.asked) == 2


def test_over_tls_and_only_with_the_right_certificate(authority: Authority) -> None:
    for ip, good in [("127.0.0.1", True), ("127.0.0.9", False)]:
        with service(echo, tls=authority.server(ip)) as one:
            routes = [Route("/", "127.0.0.1", one.port)]
            if good:
                assert ask(EXCHANGES, routes, None, Way(tls_ca=str(authority.pem))) == ANSWERS
                continue
            with pytest.raises(LoadError, match="certificate verify failed"):
                ask(EXCHANGES, routes, None, Way(tls_ca=str(authority.pem)))


def test_what_leads_nowhere_or_is_not_answered_is_told() -> None:
    with service(echo) as gone:
        pass
    with pytest.raises(LoadError, match="refused"):
        ask(EXCHANGES, [Route("/", "127.0.0.1", gone.port)], None)
    with pytest.raises(LoadError, match="no route leads to /a"):
        ask(EXCHANGES, [Route("/pay", "127.0.0.1", gone.port)], None)
    assert ask([], [], None) == {}


def test_what_is_fetched_is_the_json_of_the_services_answer(authority: Authority) -> None:
    def answer(asked: Asked) -> bytes:
        return reply(200, f'{{"at": "{asked.target}"}}')

    with service(answer) as one, service(answer) as other, service(fetch) as forward_proxy:
        routes = [Route("/", "127.0.0.1", one.port), Route("/events", "127.0.0.1", other.port)]
        assert exchanges.fetch("/events?last=9", routes, None) == {"at": "/events?last=9"}
        assert (len(one.asked), len(other.asked)) == (0, 1)
        through = ("127.0.0.1", forward_proxy.port)
        assert exchanges.fetch("/events", routes, None, Way(forward_proxy=through)) == {"at": "/events"}
        assert len(forward_proxy.asked) == 1
    with service(answer, tls=authority.server("127.0.0.1")) as secure:
        routes = [Route("/", "127.0.0.1", secure.port)]
        assert exchanges.fetch("/", routes, None, Way(tls_ca=str(authority.pem))) == {"at": "/"}


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (reply(404, "{}"), "GET /events was answered with status 404, expected 200."),
        (reply(200, "<html>"), "GET /events was not answered with JSON: "),
        (b"HTTP/1.1 200 X\r\nContent-Length: 1\r\n\r\n\xff", "GET /events was not answered with JSON: "),
        (b"no http at all\r\n\r\n", "got no answer: BadStatusLine"),
    ],
)
def test_what_cannot_be_fetched_is_told_with_what_to_look_at(answer: bytes, told: str) -> None:
    with service(lambda _: answer) as one, pytest.raises(LoadError) as caught:
        exchanges.fetch("/events", [Route("/", "127.0.0.1", one.port)], None)
    assert told in caught.value.what
    assert "\n" not in caught.value.what
    assert "logs" in caught.value.remedy
