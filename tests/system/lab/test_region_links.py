"""What a distance, a rate and a loss between regions do to packets, handshakes and transfers."""

from __future__ import annotations

import hashlib
import math
import secrets
import socket
import statistics
import struct
import threading
from contextlib import ExitStack

import pytest

from harness.clock import NS_PER_MS, NS_PER_S, now_ns, sleep_until_ns
from harness.lab import rtt
from harness.lab.precedence import precedence
from tests.support import stalls
from tests.support.netns_sockets import connect_ms, socket_in
from tests.support.regions import FAR, NEAR, RTT_MS, lab_with_host, listening

pytestmark = pytest.mark.timeout(180)


ATTEMPTS = 5
"""To be on time, on a host that gives its CPUs to somebody else at times."""

WAKE_UPS = 4
"""Of an echo's round trip: the core's for each direction, and its sender's twice."""


def late_by_the_host(stalled: float, busy: float = 0.0) -> float:
    """The largest share of echoes more than 1 ms late for which the host alone accounts (the union bound).

    ``stalled``: the share of the wake-ups that the host makes late, from ``stalls``; ``busy``: how busy the core is,
    since what waited while it was stalled is worked off beside what comes.
    """
    return WAKE_UPS * stalled / (1 - busy)


def test_echoes_and_connects_take_the_distance() -> None:
    for _ in range(ATTEMPTS):
        with lab_with_host() as (lab, at, home), listening(home, at) as server, stalls.watched() as host:
            near, far = lab.measure_rtts({"host": at.ip})
            port = server.getsockname()[1]
            with precedence():
                connects = [connect_ms(lab.clients[NEAR], str(at.ip), port) for _ in range(20)]
                within = [connect_ms(lab.clients[FAR], str(at.ip), port) for _ in range(5)]
            core = lab.core.report()
        print(f"{near}\nconnects: {min(connects):.2f} {statistics.median(connects):.2f} {max(connects):.2f} ms")
        print(f"{host.share:.1%} of wake-ups stalled by the host")
        late_ms = [
            near.median_ms - RTT_MS,
            statistics.median(connects) - RTT_MS,
            far.median_ms,
            statistics.median(within),
        ]
        assert (near.region, near.host, near.asked_ms, near.echoes) == (NEAR, "host", RTT_MS, 100)
        assert (far.region, far.asked_ms) == (FAR, 0)
        assert near.median_ms >= RTT_MS
        assert min(connects) >= RTT_MS
        assert core.dropped == 0
        if max(late_ms) < 1:
            break
    assert max(late_ms) < 1 or late_by_the_host(host.share) > 0.5


def test_the_first_packet_waits_for_no_question_of_who_has_the_address() -> None:
    """The core answers it, so a first connect takes one round trip as well."""
    with lab_with_host() as (lab, at, home), listening(home, at) as server:
        first_ms = connect_ms(lab.clients[NEAR], str(at.ip), server.getsockname()[1])
    assert RTT_MS <= first_ms < RTT_MS + 5


MSS = 1448
"""1,500 bytes less the headers of IP and TCP, with TCP's time stamps."""

INITIAL_WINDOW = 10
"""Segments, RFC 6928."""


def round_trips(size: int) -> int:
    """How many a transfer of ``size`` bytes takes from the connect to its last byte, by slow start alone.

    One for the handshake, then one for each window: the initial one, and each twice the one before, since every
    segment that is acknowledged opens the window by one.
    """
    left, window, count = math.ceil(size / MSS), INITIAL_WINDOW, 1
    while left > 0:
        left, window, count = left - window, window * 2, count + 1
    return count


def test_a_transfer_takes_the_round_trips_of_slow_start() -> None:
    """By Reno, whose slow start is the plain one: CUBIC's may end early (HyStart), and BBR paces by its own model.

    The receiver's buffer is large from the start, so its window never limits, and the connection is new, so no idle
    time resets the sender's. What arrives is compared: no frame may be longer than a wire's or lack its checksum.
    """
    data = secrets.token_bytes(1_000_000)
    sent: dict[str, int] = {}

    def serve(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1)  # the end of the other's: all of ours has arrived
            info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
            sent["mss"], sent["again"] = struct.unpack_from("I", info, 16)[0], struct.unpack_from("I", info, 100)[0]

    with lab_with_host() as (lab, at, home), listening(home, at) as server, socket_in(lab.clients[NEAR]) as client:
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        client.settimeout(30)
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        begin_ns = now_ns()
        client.connect(server.getsockname())
        got = bytearray()
        while chunk := client.recv(1 << 20):
            got += chunk
            end_ns = now_ns()
        client.close()
        thread.join(30)
        core = lab.core.report()
    took = (end_ns - begin_ns) / NS_PER_MS / RTT_MS
    print(f"{took:.2f} round trips, {round_trips(len(data))} expected; {core}")
    assert hashlib.sha256(got).digest() == hashlib.sha256(data).digest()
    assert sent == {"mss": MSS, "again": 0}
    assert abs(took - round_trips(len(data))) <= 1
    assert (core.dropped, core.lost) == (0, 0)


ECHOES_AT_ONCE = 50
"""Paths that take turns, each with an echo every 10 ms: 5,000 echoes a second, 10,000 packets through the core."""


def test_ten_thousand_packets_a_second_are_less_than_a_millisecond_late() -> None:
    rates = []
    for _ in range(ATTEMPTS):
        with lab_with_host() as (lab, at, _), stalls.watched() as host:
            paths = [rtt.Path(NEAR, f"host{number}", at.ip, RTT_MS) for number in range(ECHOES_AT_ONCE)]
            before, begin_ns = lab.core.report(), now_ns()
            found = rtt.round_trips(lab.clients, paths, 300)
            end_ns, core = now_ns(), lab.core.report()
        errors_ms = sorted(each / NS_PER_MS - RTT_MS for rtts_ns in found for each in rtts_ns)
        p99 = errors_ms[math.ceil(0.99 * len(errors_ms)) - 1]
        late = sum(each >= 1 for each in errors_ms) / len(errors_ms)
        seconds = (end_ns - begin_ns) / NS_PER_S - 2 * RTT_MS / 1000
        rates.append((core.packets - before.packets) / seconds)
        busy = (core.cpu_ns - before.cpu_ns) / (end_ns - begin_ns)
        print(
            f"{rates[-1]:.0f} packets/s, "
            f"error p50 {statistics.median(errors_ms):.3f}, p99 {p99:.3f}, max {errors_ms[-1]:.3f} ms, {late:.1%} late"
        )
        print(f"core: {busy:.0%} of its CPU, p99 late {core.late_p99_ns / 1000:.0f} us, realtime {lab.core.realtime}")
        print(f"{host.share:.1%} of wake-ups stalled by the host")
        assert len(errors_ms) == ECHOES_AT_ONCE * 300
        assert errors_ms[0] >= 0
        assert (core.dropped, core.lost) == (0, 0)
        if p99 < 1 and core.late_p99_ns < NS_PER_MS and rates[-1] > 9_900:
            break
    assert max(rates) > 9_900
    assert late <= 0.01 + late_by_the_host(host.share, busy)
    assert core.late_p99_ns < NS_PER_MS or late_by_the_host(host.share, busy) > 0.01


def test_datagrams_keep_their_order_at_that_rate() -> None:
    count, gap_ns = 24_000, NS_PER_S // 12_000
    numbers: list[int] = []
    with lab_with_host() as (lab, at, home), ExitStack() as stack:
        # A kernel that must ask for the address sends what waited for the answer beside what comes after it.
        lab.measure_rtts({"host": at.ip}, echoes=1)
        receiver = stack.enter_context(socket_in(home, socket.SOCK_DGRAM))
        sender = stack.enter_context(socket_in(lab.clients[NEAR], socket.SOCK_DGRAM))
        receiver.bind((str(at.ip), 9999))
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        receiver.settimeout(2)

        def receive() -> None:
            while len(numbers) < count:
                numbers.append(int.from_bytes(receiver.recv(64), "big"))

        stack.enter_context(precedence())
        thread = threading.Thread(target=receive)
        thread.start()
        begin_ns = now_ns()
        for number in range(count):
            # A thread that slept for each would wake too late for such a rate: it makes up for it at once.
            sleep_until_ns(begin_ns + number * gap_ns)
            sender.sendto(number.to_bytes(4, "big"), (str(at.ip), 9999))
        rate = count / ((now_ns() - begin_ns) / NS_PER_S)
        thread.join(10)
        core = lab.core.report()
    print(f"{rate:.0f} datagrams/s, {core}")
    assert numbers == list(range(count))
    assert rate > 10_000
    assert core.dropped == 0


def test_a_rate_spreads_what_comes_at_once() -> None:
    """200 frames of 1,042 bytes at 8 Mbit/s: 1.042 ms each."""
    count, apart_ms = 200, 1.042
    with lab_with_host(rate_mbit=8) as (lab, at, home), ExitStack() as stack:
        receiver = stack.enter_context(socket_in(home, socket.SOCK_DGRAM))
        sender = stack.enter_context(socket_in(lab.clients[NEAR], socket.SOCK_DGRAM))
        receiver.bind((str(at.ip), 9999))
        receiver.settimeout(5)
        stack.enter_context(precedence())
        for _ in range(count):
            sender.sendto(bytes(1000), (str(at.ip), 9999))
        come_ns = []
        for _ in range(count):
            receiver.recv(2000)
            come_ns.append(now_ns())
        core = lab.core.report()
    assert (come_ns[-1] - come_ns[0]) / NS_PER_MS == pytest.approx((count - 1) * apart_ms, rel=0.02)
    assert (core.dropped, core.lost) == (0, 0)


def test_a_loss_holds_in_both_directions_and_is_counted() -> None:
    """An echo passes the far region's access twice, so 0.9 x 0.9 come back: 4,050 of 5,000, standard deviation 28."""
    with lab_with_host(loss=0.1) as (lab, at, _):
        paths = [rtt.Path(NEAR, f"host{number}", at.ip, RTT_MS) for number in range(25)]
        before = lab.core.report()
        back = sum(map(len, rtt.round_trips(lab.clients, paths, 200)))
        core = lab.core.report()
    # Of the 25 echoes that come first, and are not in ``back``, some are lost as well.
    assert 0 <= core.lost - before.lost - (5_000 - back) <= 25
    assert abs(back - 4_050) < 5 * 28
    assert core.dropped == 0
