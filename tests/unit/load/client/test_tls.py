"""The client over TLS, against services that are right, wrong, silent, or leave."""

from __future__ import annotations

import socket
import ssl
import time
from pathlib import Path

import gevent
import pytest

from harness.clock import NS_PER_MS, now_ns
from harness.errors import LoadError
from harness.load.client import connection
from harness.load.client.http import ExchangeFailed
from harness.load.client.routing import Routing
from harness.load.client.session import Session
from harness.load.worker.setup_hook import StrictSink
from harness.spec.route import Route, Way
from tests.support.authority import Authority
from tests.support.web import Asked, fetch, reply, service


@pytest.fixture(scope="module")
def server(authority: Authority) -> ssl.SSLContext:
    return authority.server("127.0.0.1")


def session_to(
    port: int, authority: Authority, timeout_s: float = 5, forward_proxy: tuple[str, int] | None = None
) -> Session:
    routing = Routing([Route("/", "127.0.0.1", port)], Way(str(authority.pem), forward_proxy))
    return Session(routing, timeout_s, StrictSink())


def test_a_connection_is_kept_and_stamps_enclose_the_exchange(authority: Authority, server: ssl.SSLContext) -> None:
    with service(lambda asked: reply(200, asked.target), tls=server) as one:
        session = session_to(one.port, authority)
        before = now_ns()
        answers = [session.get(f"/{number}") for number in range(3)]
        moments = [before, *(stamp for each in answers for stamp in (each.sent_ns, each.done_ns)), now_ns()]
        assert moments == sorted(moments)
        assert [each.body for each in answers] == [b"/0", b"/1", b"/2"]
        assert one.connections == 1
        session.close()


def test_the_end_is_the_last_byte_in_the_clear(authority: Authority, server: ssl.SSLContext) -> None:
    def slow(_: Asked) -> bytes:
        time.sleep(0.05)
        return reply(200, "x" * 3_000_000)

    with service(slow, tls=server) as one:
        session = session_to(one.port, authority, 30)
        answer = session.post("/", b"y" * 3_000_000)
        assert len(answer.body) == 3_000_000
        assert len(one.asked[0].body) == 3_000_000
        assert answer.done_ns - answer.sent_ns > 50 * NS_PER_MS
        session.close()


def test_a_session_ticket_is_no_sign_of_the_end(
    authority: Authority, server: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_STALE_AFTER_NS", 0)
    with service(lambda _: reply(200, "ok"), tls=server) as one:
        session = session_to(one.port, authority)
        session.connections[0].open()
        gevent.sleep(0.05)
        for _ in range(2):
            session.get("/")
            gevent.sleep(0.02)
        assert one.connections == 1
        session.close()


@pytest.mark.parametrize("stale_after_ns", [0, 10**12])
def test_a_connection_closed_between_requests_is_opened_again(
    authority: Authority, server: ssl.SSLContext, stale_after_ns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_STALE_AFTER_NS", stale_after_ns)
    with service(lambda _: reply(200, "ok"), tls=server) as one:
        session = session_to(one.port, authority)
        for _ in range(3):
            # The service closes after it, and has said nothing of it in its answer.
            session.get("/", headers={"connection": "close"})
            gevent.sleep(0.05)
        assert one.connections == 3
        session.close()


def test_a_body_may_end_with_the_connection(authority: Authority, server: ssl.SSLContext) -> None:
    with service(lambda _: b"HTTP/1.1 200 OK\r\n\r\nuntil the end", tls=server) as one:
        session = session_to(one.port, authority)
        for _ in range(2):
            assert session.get("/", headers={"connection": "close"}).body == b"until the end"


def test_whoever_has_no_certificate_for_the_address_is_refused(authority: Authority, tmp_path: Path) -> None:
    stranger = Authority.made(tmp_path)
    for wrong, problem in [
        (authority.server("127.0.0.2"), "IP address mismatch"),
        (stranger.server("127.0.0.1"), "unable to get local issuer"),
    ]:
        with service(lambda _: reply(200, "ok"), tls=wrong) as one:
            session = session_to(one.port, authority)
            with pytest.raises(LoadError, match=problem):
                session.get("/")
            assert not session.connections[0].is_open
            assert one.asked == []


def test_a_service_without_tls_is_told(authority: Authority) -> None:
    with service(lambda _: reply(200, "ok")) as one, pytest.raises(ExchangeFailed):
        session_to(one.port, authority, 1).connections[0].open()


def test_a_handshake_without_an_answer_ends_at_the_time_limit(authority: Authority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        connection = session_to(silent.getsockname()[1], authority, 0.2).connections[0]
        with pytest.raises(ExchangeFailed, match=r"within 0\.2 s"):
            connection.open()
        assert not connection.is_open


def test_a_file_that_is_no_certificate_is_told(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    for name in ("ca.pem", "missing.pem"):
        with pytest.raises(LoadError, match=name):
            Routing([Route("/", "127.0.0.1", 1)], Way(str(tmp_path / name)))


def test_a_forward_proxy_may_itself_speak_tls(authority: Authority, server: ssl.SSLContext) -> None:
    with service(lambda _: reply(200, "ok")) as one, service(fetch, tls=server) as forward_proxy:
        session = session_to(one.port, authority, forward_proxy=("127.0.0.1", forward_proxy.port))
        assert session.get("/").body == b"ok"
        session.close()
