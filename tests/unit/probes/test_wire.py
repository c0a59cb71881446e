"""The prober's reading of answers: every framing, cut at every place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.probes.wire import split_response

WIRES = {
    b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello": (200, b"hello"),
    b"HTTP/1.0 503 Busy\r\nContent-Length:0\r\n\r\n": (503, b""),
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n": (200, b"hello"),
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nTrailer: 1\r\n\r\n": (200, b"hello"),
    b"HTTP/1.1 204 No Content\r\n\r\n": (204, b""),
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok": (200, b"ok"),
}


@given(st.sampled_from(sorted(WIRES)), st.floats(0, 1, exclude_max=True))
def test_an_answer_is_whole_only_at_its_end(wire: bytes, share: float) -> None:
    assert split_response(wire, ended=False) == WIRES[wire]
    assert split_response(wire[: int(share * len(wire))], ended=False) is None


def test_without_a_length_the_connection_s_end_is_the_body_s() -> None:
    wire = b"HTTP/1.0 200 OK\r\n\r\nhello"
    assert split_response(wire, ended=False) is None
    assert split_response(wire, ended=True) == (200, b"hello")


@pytest.mark.parametrize("wire", [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\x00\x01\x02"])
def test_what_is_not_http_is_refused(wire: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (the number's parser has its own words)
        split_response(wire, ended=False)
