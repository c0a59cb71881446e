"""The reader of answers: every framing, cut at every place."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.client.http import ExchangeFailed, ResponseReader, encode_request

LENGTH = b"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"
CONTINUED = b"HTTP/1.1 100 Continue\r\n\r\n" + LENGTH
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"


@given(st.sampled_from([LENGTH, CHUNKED, CLOSING, CONTINUED, EMPTY]), st.lists(st.integers(1, 80), max_size=8))
def test_any_cut_gives_the_same_answer(wire: bytes, cuts: list[int]) -> None:
    reader = ResponseReader()
    edges = sorted({0, len(wire), *(cut for cut in cuts if cut < len(wire))})
    complete = [reader.feed(wire[low:high]) for low, high in itertools.pairwise(edges)]
    assert complete == [False] * (len(complete) - 1) + [True]
    response = reader.response(1, 2)
    assert (response.status, response.body) == ((204, b"") if wire is EMPTY else (200, b"hello"))
    assert reader.keep_alive is (wire is not CLOSING)


def test_one_reader_reads_one_answer_after_another() -> None:
    reader = ResponseReader()
    for head, wire, body in [
        (False, LENGTH, b"hello"),
        (True, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b""),
        (False, CHUNKED, b"hello"),
        (False, b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", b""),
        (False, LENGTH, b"hello"),
    ]:
        reader.begin(head=head)
        assert reader.feed(wire)
        assert reader.response(0, 0).body == body
        assert reader.keep_alive


def test_a_body_may_end_with_the_connection_only_when_nothing_else_ends_it() -> None:
    reader = ResponseReader()
    assert not reader.feed(b"HTTP/1.1 200 OK\r\n\r\nhel")
    assert not reader.feed(b"lo")
    assert reader.end()
    assert reader.response(0, 0).body == b"hello"
    assert not reader.keep_alive
    for cut in (LENGTH[:-1], CHUNKED[:-1], LENGTH[:20]):
        reader = ResponseReader()
        assert not reader.feed(cut)
        assert not reader.end()


@pytest.mark.parametrize("wire", [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 two hundred\r\n\r\n"])
def test_what_is_not_http_is_said_so(wire: bytes) -> None:
    with pytest.raises(ExchangeFailed, match="not HTTP"):
        ResponseReader().feed(wire)


def test_requests_on_the_wire() -> None:
    assert encode_request("GET", "/a", "h:1", None, None) == b"GET /a HTTP/1.1\r\nHost: h:1\r\n\r\n"
    posted = encode_request("POST", "/", "h", {"X": "y"}, b"ab")
    assert posted == b"POST / HTTP/1.1\r\nHost: h\r\nX: y\r\nContent-Length: 2\r\n\r\nab"
