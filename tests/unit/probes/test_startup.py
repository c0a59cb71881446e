"""The prober against services that come up late, wrongly, or never. How exact it is, tests/truth shows."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.clock import NS_PER_MS, now_ns, sleep_until_ns
from harness.errors import NotReady
from harness.probes.startup import Prober, ProbeResult
from harness.runtime.confinement import Confinement
from harness.spec.route import Way
from harness.spec.service import Readiness
from tests.support.authority import Authority
from tests.support.web import Asked, fetch, reply, service

Talk = Callable[[socket.socket, int], None]

CPUS = frozenset({max(os.sched_getaffinity(0))})

READY = Readiness(path="/health", body="ok", timeout_s=20)


def http(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Bound, so that the port is ours, but not yet listening: refused."""
    with socket.socket() as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", 0))
        yield bound
        with contextlib.suppress(OSError):
            bound.shutdown(socket.SHUT_RDWR)


def serve(listener: socket.socket, talk: Talk) -> None:
    """Answer connections one after another, in a thread."""

    def work() -> None:
        number = 0
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            # The prober may have given this one up.
            with connection, contextlib.suppress(OSError):
                talk(connection, number)
            number += 1

    threading.Thread(target=work, daemon=True).start()


def probe(listener: socket.socket, ready: Readiness = READY) -> Prober:
    return Prober("127.0.0.1", listener.getsockname()[1], ready, Confinement(None, CPUS))


def kinds(result: ProbeResult) -> list[str]:
    return [seen.kind for seen in result.history]


def test_the_first_correct_response_is_found_after_the_service_listens(listener: socket.socket) -> None:
    def talk(connection: socket.socket, _number: int) -> None:
        assert connection.recv(65536).startswith(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1:")
        connection.sendall(http(200, b"ok"))

    with probe(listener) as prober:
        begun_ns = now_ns()
        prober.go()
        sleep_until_ns(begun_ns + 100 * NS_PER_MS)
        listening_ns = now_ns()
        listener.listen(64)
        serve(listener, talk)
        result = prober.result()
    assert kinds(result) == ["refused", "correct"]
    assert listening_ns <= result.listening_ns <= result.first_response_ns
    assert result.attempts == sum(seen.times for seen in result.history)
    assert result.attempts > 1
    assert result.resolution_ns > 0
    assert 0 < result.cpu_ns < result.first_response_ns - begun_ns


def test_a_wrong_status_and_a_wrong_body_are_not_it(listener: socket.socket) -> None:
    answers = [
        http(500, b"starting"),
        http(500, b"starting"),
        http(200, b"not yet"),
        b"",
        b"junk\r\n\r\n",
        http(200, b"ok"),
    ]

    def talk(connection: socket.socket, number: int) -> None:
        connection.recv(65536)
        connection.sendall(answers[min(number, len(answers) - 1)])

    listener.listen(64)
    serve(listener, talk)
    with probe(listener) as prober:
        prober.go()
        result = prober.result()
    assert kinds(result)[:2] == ["status 500", "wrong body"]
    assert kinds(result)[-1] == "correct"
    assert result.history[0].times == 2
    assert result.attempts == len(answers)


def test_the_end_is_the_last_byte(listener: socket.socket) -> None:
    sent_ns: list[int] = []

    def talk(connection: socket.socket, _number: int) -> None:
        connection.recv(65536)
        wire = http(200, b"ok")
        connection.sendall(wire[:-1])
        sleep_until_ns(now_ns() + 80 * NS_PER_MS)
        sent_ns.append(now_ns())
        connection.sendall(wire[-1:])

    listener.listen(64)
    serve(listener, talk)
    with probe(listener) as prober:
        prober.go()
        result = prober.result()
    assert len(sent_ns) == 1
    assert result.attempts == 1
    assert sent_ns[0] <= result.first_response_ns


def test_while_nobody_answers_a_new_attempt_overtakes_lost_syns(listener: socket.socket) -> None:
    """A full accept queue drops SYNs, as an address without a host does. The kernel alone would try again after 1 s."""
    listener.listen(0)
    fillers = []
    for _ in range(3):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
        fillers.append(filler)

    def talk(connection: socket.socket, _number: int) -> None:
        if connection.recv(65536):
            connection.sendall(http(200, b"ok"))

    with probe(listener) as prober:
        prober.go()
        sleep_until_ns(now_ns() + 200 * NS_PER_MS)
        for filler in fillers:
            filler.close()
        listener.listen(64)
        serve(listener, talk)
        result = prober.result()
    assert "no answer" in kinds(result)
    assert kinds(result)[-1] == "correct"
    # The kernel alone would have sent one SYN so far.
    assert result.attempts > 1


@pytest.mark.parametrize(
    ("answer", "seen"),
    [(None, "refused"), (http(503, b"warming up"), "status 503: warming up"), (http(200, b"x"), "x")],
)
def test_when_time_is_up_it_tells_what_it_saw_last(listener: socket.socket, answer: bytes | None, seen: str) -> None:
    def talk(connection: socket.socket, _number: int) -> None:
        connection.recv(65536)
        connection.sendall(answer or b"")

    if answer is not None:
        listener.listen(64)
        serve(listener, talk)
    with probe(listener) as prober:
        prober.go()
        with pytest.raises(NotReady) as caught:
            prober.result(0.3)
    assert "within 0.3 s" in caught.value.what
    assert seen in caught.value.what
    assert "/health" in caught.value.remedy


def test_a_connection_that_is_never_answered_is_told(listener: socket.socket) -> None:
    listener.listen(64)
    with probe(listener) as prober:
        prober.go()
        with pytest.raises(NotReady, match="no answer to the request"):
            prober.result(1.5)


def test_a_service_that_ended_is_not_waited_for(listener: socket.socket) -> None:
    asked = itertools.count()
    with probe(listener) as prober:
        prober.go()
        with pytest.raises(NotReady, match="ended before it answered"):
            prober.result(60, alive=lambda: next(asked) < 3)


def test_nothing_is_left_when_the_context_ends_early(listener: socket.socket) -> None:
    with probe(listener) as prober:
        prober.go()
        process = prober._child.process
        assert process.running
    assert not Path(f"/proc/{process.pid}").exists()


def test_a_missing_namespace_is_told(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    with pytest.raises(NotReady) as caught, Prober("127.0.0.1", port, READY, Confinement("tare-test-none", CPUS)):
        pass
    assert "nsenter" in "\n".join(caught.value.notes)


def test_over_tls_only_the_right_certificate_is_an_answer(authority: Authority) -> None:
    def result(ip: str) -> ProbeResult:
        with (
            service(lambda _: reply(200, "ok"), tls=authority.server(ip)) as one,
            Prober("127.0.0.1", one.port, READY, Confinement(None, CPUS), Way(tls_ca=str(authority.pem))) as prober,
        ):
            prober.go()
            return prober.result(0.5 if ip != "127.0.0.1" else None)

    found = result("127.0.0.1")
    assert (found.attempts, kinds(found)) == (1, ["correct"])
    assert found.listening_ns < found.first_response_ns
    with pytest.raises(NotReady, match="IP address mismatch"):
        result("127.0.0.9")


def test_a_handshake_under_way_keeps_other_attempts_back(authority: Authority, listener: socket.socket) -> None:
    """Its time is the service's, and another handshake beside it would take it away from the first."""
    context = authority.server("127.0.0.1")
    numbers: list[int] = []

    def talk(connection: socket.socket, number: int) -> None:
        numbers.append(number)
        sleep_until_ns(now_ns() + 200 * NS_PER_MS)
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(65536)
            secure.sendall(http(200, b"ok"))

    listener.listen(64)
    serve(listener, talk)
    port = listener.getsockname()[1]
    with Prober("127.0.0.1", port, READY, Confinement(None, CPUS), Way(tls_ca=str(authority.pem))) as prober:
        prober.go()
        assert prober.result().attempts == 1
    assert numbers == [0]


def test_through_a_forward_proxy_the_service_behind_it_counts(listener: socket.socket) -> None:
    def proxied(asked: Asked) -> bytes:
        try:
            return fetch(asked)
        except OSError:
            return reply(502, "nobody there")

    with service(proxied) as forward_proxy:
        port = listener.getsockname()[1]
        with Prober(
            "127.0.0.1", port, READY, Confinement(None, CPUS), Way(forward_proxy=("127.0.0.1", forward_proxy.port))
        ) as prober:
            prober.go()
            sleep_until_ns(now_ns() + 100 * NS_PER_MS)
            listener.listen(64)
            serve(listener, lambda connection, _: connection.sendall(connection.recv(65536) and http(200, b"ok")))
            result = prober.result()
        assert {asked.target for asked in forward_proxy.asked} == {f"http://127.0.0.1:{port}/health"}
    assert kinds(result) == ["status 502", "correct"]


def test_a_check_on_a_port_of_its_own_is_asked_there() -> None:
    with service(lambda _: reply(200, "ok")) as one:
        ready = Readiness(path="/health", body="ok", port=one.port)
        with Prober("127.0.0.1", 1, ready, Confinement(None, CPUS)) as prober:
            prober.go()
            assert prober.result().attempts == 1
        assert one.asked[0].headers["host"] == f"127.0.0.1:{one.port}"


def test_the_first_answer_after_a_kill_is_the_next_instance_s() -> None:
    with contextlib.ExitStack() as stack:
        with service(lambda _: reply(200, "ok")) as first:
            prober = stack.enter_context(Prober("127.0.0.1", first.port, READY, Confinement(None, CPUS)))
        prober.go()
        sleep_until_ns(now_ns() + 100 * NS_PER_MS)
        again_ns = now_ns()
        with service(lambda _: reply(200, "ok"), port=first.port):
            result = prober.result()
    assert first.asked == []
    assert kinds(result) == ["refused", "correct"]
    assert again_ns < result.first_response_ns
