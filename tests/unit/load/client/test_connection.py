"""The client against services that behave badly in every way that a real one can."""

from __future__ import annotations

import itertools
import socket
import time
from collections.abc import Callable

import gevent
import pytest

from harness.clock import NS_PER_MS, now_ns
from harness.load.client import connection as client
from harness.load.client.connection import Connection
from harness.load.client.http import ExchangeFailed, encode_request

Serve = Callable[[Callable[[socket.socket, int], None]], int]

GET = encode_request("GET", "/", "h", None, None)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def requests(connection: socket.socket) -> bool:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            return False
        data += chunk
    return True


def test_a_connection_is_kept_and_stamps_enclose_the_exchange(serve: Serve) -> None:
    numbers: list[int] = []

    def talk(connection: socket.socket, number: int) -> None:
        while requests(connection):
            numbers.append(number)
            connection.sendall(OK)

    connection = Connection(("127.0.0.1", serve(talk)), 5)
    before = now_ns()
    answers = [connection.exchange(GET) for _ in range(3)]
    stamps = [stamp for answer in answers for stamp in (answer.sent_ns, answer.done_ns)]
    moments = [before, *stamps, now_ns()]
    assert moments == sorted(moments)
    assert [answer.body for answer in answers] == [b"ok"] * 3
    assert numbers == [0, 0, 0]
    connection.close()


def test_a_connection_closed_between_requests_is_opened_again_once(serve: Serve) -> None:
    def talk(connection: socket.socket, _number: int) -> None:
        requests(connection)
        connection.sendall(OK)

    connection = Connection(("127.0.0.1", serve(talk)), 5)
    for _ in range(3):
        assert connection.exchange(GET).status == 200
        gevent.sleep(0.02)
    connection.close()


def test_a_stale_connection_is_noticed_before_it_is_used(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_STALE_AFTER_NS", 0)
    seen: list[int] = []

    def talk(connection: socket.socket, number: int) -> None:
        requests(connection)
        seen.append(number)
        connection.sendall(OK)

    connection = Connection(("127.0.0.1", serve(talk)), 5)
    for _ in range(2):
        connection.exchange(GET)
        gevent.sleep(0.05)
    assert seen == [0, 1]
    connection.close()


@pytest.mark.parametrize("beginning", [b"", OK[:-1]])
def test_an_answer_that_breaks_off_is_not_asked_for_again(serve: Serve, beginning: bytes) -> None:
    numbers: list[int] = []

    def talk(connection: socket.socket, number: int) -> None:
        numbers.append(number)
        requests(connection)
        connection.sendall(beginning)

    connection = Connection(("127.0.0.1", serve(talk)), 5)
    with pytest.raises(ExchangeFailed, match="closed the connection") as caught:
        connection.exchange(GET)
    assert numbers == [0]
    assert 0 < caught.value.sent_ns <= caught.value.done_ns
    assert not connection.is_open


def test_no_answer_ends_at_the_time_limit(serve: Serve) -> None:
    def talk(connection: socket.socket, _number: int) -> None:
        while requests(connection):
            pass

    connection = Connection(("127.0.0.1", serve(talk)), 0.1)
    with pytest.raises(ExchangeFailed, match=r"within 0.1 s") as caught:
        connection.exchange(GET)
    assert caught.value.done_ns - caught.value.sent_ns > 90 * NS_PER_MS


def test_every_exchange_has_the_whole_time_limit(serve: Serve) -> None:
    """However long those before it took, and also after one that used it up."""

    def talk(connection: socket.socket, _number: int) -> None:
        for number in itertools.count():
            if not requests(connection) or number == 4:
                break
            time.sleep(0.3)
            connection.sendall(OK)
        time.sleep(2)

    connection = Connection(("127.0.0.1", serve(talk)), 1)
    for _ in range(2):
        for _ in range(4):
            assert connection.exchange(GET).status == 200
        with pytest.raises(ExchangeFailed, match=r"within 1 s") as caught:
            connection.exchange(GET)
        assert caught.value.done_ns - caught.value.sent_ns >= 990 * NS_PER_MS
    connection.close()


def test_refused() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        connection = Connection(free.getsockname(), 1)
        for attempt in (connection.open, lambda: connection.exchange(GET)):
            with pytest.raises(ExchangeFailed, match="refused"):
                attempt()


def test_an_opening_that_is_given_up_leaves_no_half_connection() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        waiting = [Connection(("127.0.0.1", port), 5) for _ in range(4)]
        openers = [gevent.spawn(each.open) for each in waiting]
        gevent.joinall(openers, timeout=0.1)
        assert not all(opener.dead for opener in openers), "the kernel took them all in: there is nothing to give up"
        unopened = [each for each, opener in zip(waiting, openers, strict=True) if not opener.dead]
        gevent.killall(openers)
        assert not any(each.is_open for each in unopened)
        for each in waiting:
            each.close()


def test_a_large_body_in_both_directions(serve: Serve) -> None:
    body = bytes(range(256)) * 8000

    def talk(connection: socket.socket, _number: int) -> None:
        received = b""
        while len(received) < len(request):
            received += connection.recv(65536)
        echoed = received.partition(b"\r\n\r\n")[2]
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(echoed) + echoed)

    request = encode_request("POST", "/", "h", None, body)
    connection = Connection(("127.0.0.1", serve(talk)), 10)
    assert connection.exchange(request).body == body
    connection.close()


@pytest.mark.parametrize("framing", [b"", b"Content-Length: 13\r\n"])
def test_connection_close_is_obeyed_and_the_next_exchange_opens_another(serve: Serve, framing: bytes) -> None:
    def talk(connection: socket.socket, _number: int) -> None:
        requests(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + framing + b"\r\nuntil the end")

    connection = Connection(("127.0.0.1", serve(talk)), 5)
    for _ in range(3):
        assert connection.exchange(GET).body == b"until the end"
        assert not connection.is_open


def test_an_answer_that_broke_off_does_not_spoil_the_next(serve: Serve) -> None:
    def talk(connection: socket.socket, number: int) -> None:
        requests(connection)
        connection.sendall(OK if number % 2 else OK[:-1])

    connection = Connection(("127.0.0.1", serve(talk)), 5)
    for _ in range(2):
        with pytest.raises(ExchangeFailed, match="closed the connection"):
            connection.exchange(GET)
        assert connection.exchange(GET).body == b"ok"
        connection.close()
