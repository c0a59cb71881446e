"""What every running origin of the workload ``static`` must do, wherever it was deployed."""

from __future__ import annotations

import email
import email.utils
import threading
from collections.abc import Callable

import numpy as np

from tests.support.static_at import StaticAt, body_of

Check = Callable[[StaticAt], None]

OBJECT = 5
PATH = f"/objects/{OBJECT}"
LAST_MODIFIED = "Wed, 01 Jan 2020 00:00:00 GMT"


def tag(at: StaticAt, path: str = PATH) -> str:
    return at.ask(path).fields["etag"]


def an_object_is_what_its_name_and_the_catalogue_say(at: StaticAt) -> None:
    largest = int(np.argmax(at.catalogue.sizes))
    assert at.size(largest) > 1 << 20
    for number in (0, 1, 4711, at.catalogue.objects - 1, int(np.argmin(at.catalogue.sizes)), largest):
        for path in (f"/objects/{number}", f"/private/{number}"):
            answer = at.ask(path)
            assert answer.status == 200
            assert answer.body == body_of(path, at.size(number))
    assert at.ask("/objects/1").body != at.ask("/private/1").body


def an_object_may_be_kept_and_a_private_one_may_not(at: StaticAt) -> None:
    kept, private = at.ask(PATH), at.ask(f"/private/{OBJECT}")
    assert kept.fields["cache-control"] == "public, max-age=3600"
    assert private.fields["cache-control"] == "private, no-store"
    for answer in (kept, private):
        assert answer.fields["last-modified"] == LAST_MODIFIED
        assert answer.fields["accept-ranges"] == "bytes"
        email.utils.parsedate_to_datetime(answer.fields["date"])
        assert answer.fields["etag"].startswith('"')
    tags = [tag(at, path) for path in ("/objects/1", "/objects/2", "/private/1")]
    assert len(set(tags)) == len(tags)
    assert tag(at) == tag(at)


def what_a_client_has_is_not_sent_again(at: StaticAt) -> None:
    own = tag(at)
    for given in (own, f"W/{own}", f'"other", {own}', "*"):
        answer = at.ask(PATH, if_none_match=given)
        assert (answer.status, answer.body) == (304, b"")
        assert answer.fields["etag"] == own
        assert answer.fields["cache-control"] == "public, max-age=3600"
        assert "content-type" not in answer.fields
    for given in ('"other"', own.strip('"'), '"', ""):
        assert at.ask(PATH, if_none_match=given).status == 200
    for date in (LAST_MODIFIED, "Fri, 03 Jan 2020 00:00:00 GMT", "Friday, 03-Jan-20 00:00:00 GMT"):
        assert at.ask(PATH, if_modified_since=date).status == 304
    for date in ("Tue, 31 Dec 2019 23:59:59 GMT", "yesterday", "", "Wed, 99 Jan 99999 00:00:00 GMT"):
        assert at.ask(PATH, if_modified_since=date).status == 200
    # The tag decides where both are there.
    assert at.ask(PATH, if_none_match='"other"', if_modified_since=LAST_MODIFIED).status == 200
    assert at.ask(PATH, if_match=f"{own}").status == 200
    assert at.ask(PATH, if_match='"other"').status == 412
    assert at.ask(PATH, if_unmodified_since="Tue, 31 Dec 2019 23:59:59 GMT").status == 412


def one_range_is_a_part(at: StaticAt) -> None:
    size = at.size(OBJECT)
    whole = body_of(PATH, size)
    for asked, start, end in (
        ("bytes=0-0", 0, 1),
        ("bytes=1000-2047", 1000, 2048),
        ("bytes=1024-", 1024, size),
        ("bytes=-7", size - 7, size),
        (f"bytes=-{size + 5}", 0, size),
        ("BYTES=3-999999999999", 3, size),
        (f"bytes={size}-, 2-3 ,,", 2, 4),
    ):
        answer = at.ask(PATH, range=asked)
        assert answer.status == 206
        assert answer.fields["content-range"] == f"bytes {start}-{end - 1}/{size}"
        assert answer.body == whole[start:end]
        assert answer.fields["etag"] == tag(at)


def several_ranges_are_parts(at: StaticAt) -> None:
    size = at.size(OBJECT)
    whole = body_of(PATH, size)
    answer = at.ask(PATH, range="bytes=0-9, 1020-1030,-3")
    assert answer.status == 206
    assert "content-range" not in answer.fields
    head = f"Content-Type: {answer.fields['content-type']}\r\n\r\n".encode()
    parts = [part for part in email.message_from_bytes(head + answer.body).walk() if not part.is_multipart()]
    found = [(part["Content-Range"], part.get_payload(decode=True)) for part in parts]
    assert found == [
        (f"bytes 0-9/{size}", whole[:10]),
        (f"bytes 1020-1030/{size}", whole[1020:1031]),
        (f"bytes {size - 3}-{size - 1}/{size}", whole[-3:]),
    ]


def a_range_beyond_the_end_is_refused(at: StaticAt) -> None:
    size = at.size(OBJECT)
    for asked in (f"bytes={size}-", f"bytes={size}-{size + 5},{size + 9}-", "bytes=-0"):
        answer = at.ask(PATH, range=asked)
        assert (answer.status, answer.body) == (416, b"")
        assert answer.fields["content-range"] == f"bytes */{size}"
        assert answer.fields["cache-control"] == "no-store"


def a_malformed_range_and_a_storm_get_the_whole(at: StaticAt) -> None:
    whole = body_of(PATH, at.size(OBJECT))
    storm = ",".join(["0-"] * 1000)
    for asked in (
        "bytes=", "bytes=-", "bytes=5-2", "bytes=a-b", "bytes=1-2-3", "items=0-5", "bytes 0-5", "0-5", "bytes=0x1-0x2",
        "bytes=0-0,5-2", "bytes=1-" + "9" * 5000, "bytes=\xb2-\xb3", "bytes=,,,",
        f"bytes={storm}", "bytes=0-,0-", "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 40, 2)),
    ):  # fmt: skip
        answer = at.ask(PATH, range=asked)
        assert answer.status == 200, asked
        assert answer.body == whole


def a_range_of_another_version_gets_the_whole(at: StaticAt) -> None:
    own = tag(at)
    for given, status in ((own, 206), (LAST_MODIFIED, 206), (f"W/{own}", 200), ('"other"', 200), ("never", 200)):
        assert at.ask(PATH, range="bytes=0-1", if_range=given).status == status
    # A condition comes before the range.
    assert at.ask(PATH, range="bytes=0-1", if_none_match=own).status == 304


def a_head_is_the_answer_without_its_body(at: StaticAt) -> None:
    for path in (PATH, f"/private/{OBJECT}", "/health", "/objects/999999"):
        asked, told = at.ask(path, "HEAD"), at.ask(path)
        assert (asked.status, asked.body) == (told.status, b"")
        assert {**asked.fields, "date": ""} == {**told.fields, "date": ""}
    assert at.ask(PATH, "HEAD", range="bytes=0-1").status == 200
    assert at.ask(PATH, "HEAD", if_none_match=tag(at)).status == 304


def what_there_is_not_is_not_kept_either(at: StaticAt) -> None:
    beyond = at.catalogue.objects
    for path in (
        f"/objects/{beyond}",
        f"/objects/{2**32}",
        "/objects/" + "9" * 3000,
        "/objects/",
        "/objects",
        "/",
        "/x",
    ):
        answer = at.ask(path)
        assert answer.status == 404, path
        assert answer.fields["cache-control"] == "no-store"


def a_name_is_only_what_it_is_plainly(at: StaticAt) -> None:
    for path in (
        "/objects/01", "/objects/+1", "/objects/-1", "/objects/1/", "/objects/1?x=1", "/objects/1#a", "/objects/1;id",
        "//objects/1", "/objects//1", "/objects/./1", "/objects/2/../1", "/../objects/1", "/objects/../../etc/passwd",
        "/objects/%31", "/objects/1%00", "/objects/1%0d%0aX-Evil:%201", "/objects/%D9%A1", "/objects/1e3",
        "/objects/1_0", "/objects/1'OR'1'='1", "/Objects/1", "/count/", "/health?", "*", "objects/1",
    ):  # fmt: skip
        answer = at.ask(path)
        assert answer.status == 404, path
        assert "x-evil" not in answer.fields


def only_objects_are_counted(at: StaticAt) -> None:
    size = at.size(OBJECT)
    assert at.counted(PATH) == (1, size)
    assert at.counted(f"/private/{OBJECT}") == (1, size)
    assert at.counted(PATH, range="bytes=10-19") == (1, 10)
    assert at.counted(PATH, range=f"bytes={size}-") == (1, 0)
    assert at.counted(PATH, if_none_match=tag(at)) == (1, 0)
    assert at.counted(PATH, "HEAD") == (1, 0)
    for path in ("/health", "/count", "/", f"/objects/{at.catalogue.objects}"):
        assert at.counted(path) == (0, 0)
    assert at.counted(PATH, "DELETE") == (0, 0)
    assert at.ask("/count").fields["cache-control"] == "no-store"


def whose_host_it_is_changes_nothing(at: StaticAt) -> None:
    whole = body_of(PATH, at.size(OBJECT))
    for line, fields in (
        (PATH, "Host: evil.example\r\nX-Forwarded-Host: evil.example"),
        (PATH, "Host: [::1]:80\r\nX-Original-URL: /objects/6\r\nX-Rewrite-URL: /objects/6"),
        (f"http://evil.example{PATH}", "Host: origin"),
        (f"HTTP://a:b@evil.example:99{PATH}", "host:"),
    ):
        with at.client() as client:
            client.send(f"GET {line} HTTP/1.1\r\n{fields}\r\n\r\n".encode())
            answer = client.answer()
            assert (answer.status, answer.body) == (200, whole)
            assert "evil" not in "".join(answer.fields.values())


def what_is_malformed_is_refused_and_ends_the_connection(at: StaticAt) -> None:
    line, end = b"GET /objects/1 HTTP/1.1\r\n", b"\r\n\r\n"
    good = line + b"Host: a"
    for data in (
        b"hello" + end, b"GET /objects/1" + end, b"GET  /objects/1 HTTP/1.1\r\nHost: a" + end,
        b"\x16\x03\x01\x02" + end, b"GET /objects/1 HTTP/1.1 \r\nHost: a" + end, b"GET /a b HTTP/1.1\r\nHost: a" + end,
        b"GET /\xc3\xa4 HTTP/1.1\r\nHost: a" + end, b"GET /\x00 HTTP/1.1\r\nHost: a" + end,
        line + b"\r\n", good + b"\r\nHost: b" + end, line + b"Host: a/b" + end, line + b"Host: a b" + end,
        good + b"\r\n folded" + end, good + b"\r\nA b: c" + end, good + b"\r\nA : c" + end, good + b"\r\n: c" + end,
        good + b"\r\nnothing" + end, good + b"\r\nA: b\x00c" + end, good + b"\r\nA: b\nC: d" + end,
        good + b"\r\nA: b\rC: d" + end,
        good + b"\r\nContent-Length: x" + end, good + b"\r\nContent-Length: -1" + end,
        good + b"\r\nContent-Length: 0\r\nContent-Length: 0" + end, good + b"\r\nContent-Length:" + end,
        good + b"\r\nContent-Length: 5" + end + b"12345",
        good + b"\r\nTransfer-Encoding: chunked" + end + b"0\r\n\r\n",
    ):  # fmt: skip
        answer, closed = at.raw(data)
        assert answer.status == 400, data
        assert closed, data
        assert answer.fields["cache-control"] == "no-store"
    answer, closed = at.raw(b"PRI * HTTP/2.0" + end)
    assert (answer.status, closed) == (505, True)


def what_is_too_long_is_refused(at: StaticAt) -> None:
    long = b"x" * 9000
    for data, status in (
        (b"GET /" + long + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\nA: " + long * 2 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nA: " + long * 300, 431),
        (b"x" * 100_000, 431),
    ):
        answer, closed = at.raw(data)
        assert (answer.status, closed) == (status, True)


def another_method_is_refused_and_its_body_is_no_request(at: StaticAt) -> None:
    before = at.count()
    inner = f"GET {PATH} HTTP/1.1\r\nHost: a\r\n\r\n"
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get"):
        head = f"{method} {PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(inner)}\r\n\r\n{inner}"
        answer, closed = at.raw(head.encode())
        assert (answer.status, closed) == (405, True)
        assert answer.fields["allow"] == "GET, HEAD"
    assert at.count() == before


def requests_on_one_connection_are_answered_in_order(at: StaticAt) -> None:
    numbers = [*range(30), int(np.argmax(at.catalogue.sizes)), *range(30, 60)]
    with at.client() as client:
        asked = [f"GET /objects/{number} HTTP/1.1\r\nHost: a\r\n\r\n" for number in numbers]
        client.send("\r\n".join(asked).encode())
        for number in numbers:
            assert client.answer().body == body_of(f"/objects/{number}", at.size(number))
        # A head in pieces is a head.
        for part in (b"GET /obj", b"ects/1 HTTP/1.1\r", b"\nHost: a\r\n\r", b"\n"):
            client.send(part)
        assert client.answer().status == 200


def a_connection_ends_when_the_client_says_so(at: StaticAt) -> None:
    for data, closes in (
        (b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n", True),
        (b"GET /health HTTP/1.0\r\n\r\n", True),
        (b"GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", False),
        (b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n", False),
    ):
        with at.client() as client:
            client.send(data)
            answer = client.answer()
            assert (answer.status, answer.body) == (200, b'{"status":"ok"}')
            assert (answer.fields.get("connection") == "close") is closes
            if closes:
                assert client.is_closed()
            else:
                client.send(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
                assert client.answer().status == 200


def a_client_that_will_ask_no_more_is_still_answered(at: StaticAt) -> None:
    number = int(np.argmax(at.catalogue.sizes))
    with at.client() as client:
        client.send(f"GET /objects/{number} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        client.socket.shutdown(1)
        assert client.answer().body == body_of(f"/objects/{number}", at.size(number))
        assert client.is_closed()


def clients_that_do_not_read_hold_nobody_up(at: StaticAt) -> None:
    number = int(np.argmax(at.catalogue.sizes))
    slow = [at.client() for _ in range(20)]
    clients = [each.__enter__() for each in slow]
    try:
        for client in clients:
            client.send(f"GET /objects/{number} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert at.ask(PATH).status == 200
        status, fields = clients[7].head()
        assert (status, int(fields["content-length"])) == (200, at.size(number))
        assert clients[7].take(at.size(number)) == body_of(f"/objects/{number}", at.size(number))
    finally:
        for each in slow:
            each.__exit__(None, None, None)
    # Those that went away in the middle are nobody's trouble.
    assert at.ask(PATH).status == 200


def two_hundred_at_once_are_answered(at: StaticAt) -> None:
    statuses: list[int] = []
    gate = threading.Barrier(200)

    def one(number: int) -> None:
        gate.wait()
        answer = at.ask(f"/objects/{number}")
        assert answer.body == body_of(f"/objects/{number}", at.size(number))
        statuses.append(answer.status)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 200


CHECKS: list[Check] = [
    an_object_is_what_its_name_and_the_catalogue_say,
    an_object_may_be_kept_and_a_private_one_may_not,
    what_a_client_has_is_not_sent_again,
    one_range_is_a_part,
    several_ranges_are_parts,
    a_range_beyond_the_end_is_refused,
    a_malformed_range_and_a_storm_get_the_whole,
    a_range_of_another_version_gets_the_whole,
    a_head_is_the_answer_without_its_body,
    what_there_is_not_is_not_kept_either,
    a_name_is_only_what_it_is_plainly,
    only_objects_are_counted,
    whose_host_it_is_changes_nothing,
    what_is_malformed_is_refused_and_ends_the_connection,
    what_is_too_long_is_refused,
    another_method_is_refused_and_its_body_is_no_request,
    requests_on_one_connection_are_answered_in_order,
    a_connection_ends_when_the_client_says_so,
    a_client_that_will_ask_no_more_is_still_answered,
    clients_that_do_not_read_hold_nobody_up,
    two_hundred_at_once_are_answered,
]
