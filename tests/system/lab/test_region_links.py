"""What a distance, a rate and a loss between regions do to packets, handshakes and transfers, except in time."""

from __future__ import annotations

import hashlib
import socket
import threading
from contextlib import ExitStack

import pytest

from harness.clock import NS_PER_MS, NS_PER_S, now_ns, sleep_until_ns
from harness.lab import round_trips as rtt
from harness.lab.realtime import precedence
from tests.support.netns_sockets import connect_ms, socket_in
from tests.support.regions import FAR, NEAR, RTT_MS, lab_with_host, listening
from tests.support.transfer import MSS, transfer

pytestmark = pytest.mark.timeout(1500)


def test_nothing_crosses_before_the_distance() -> None:
    """How little later it comes depends on the host: tests/truth/test_links.py."""
    with lab_with_host() as (lab, at, home), listening(home, at) as server:
        near, far = lab.measure_rtts({"host": at.ip})
        port = server.getsockname()[1]
        connects = [connect_ms(lab.clients[NEAR], str(at.ip), port) for _ in range(5)]
        backbone = lab.backbone.report()
    assert (near.region, near.host, near.asked_ms, near.echoes) == (NEAR, "host", RTT_MS, 100)
    assert (far.region, far.asked_ms) == (FAR, 0)
    assert near.median_ms >= RTT_MS
    assert min(connects) >= RTT_MS
    assert (backbone.dropped, backbone.lost) == (0, 0)


def test_a_transfer_brings_every_byte_in_full_frames() -> None:
    """No frame may be longer than a wire's or lack its checksum."""
    done = transfer(1_000_000)
    assert hashlib.sha256(done.got).digest() == hashlib.sha256(done.data).digest()
    assert done.mss == MSS
    assert (done.backbone.dropped, done.backbone.lost) == (0, 0)


ECHOES_AT_ONCE = 50
"""Paths that take turns, each with an echo every 10 ms: 5,000 echoes a second, 10,000 packets through the backbone."""


def test_many_echoes_all_come_back_and_none_too_early() -> None:
    with lab_with_host() as (lab, at, _):
        paths = [rtt.Path(NEAR, f"host{number}", at.ip, RTT_MS) for number in range(ECHOES_AT_ONCE)]
        found = rtt.round_trips(lab.clients, paths, 100)
        backbone = lab.backbone.report()
    assert [len(rtts_ns) for rtts_ns in found] == [100] * ECHOES_AT_ONCE
    assert min(map(min, found)) >= RTT_MS * NS_PER_MS
    assert (backbone.dropped, backbone.lost) == (0, 0)


def test_datagrams_keep_their_order_at_such_a_rate() -> None:
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
        thread.join(10)
        backbone = lab.backbone.report()
    assert numbers == list(range(count))
    assert backbone.dropped == 0


def test_a_rate_delays_what_comes_at_once_and_drops_nothing() -> None:
    """200 frames of 1,042 bytes at 8 Mbit/s, 1.042 ms each: a queue of 208 ms."""
    count = 200
    with lab_with_host(rate_mbit=8) as (lab, at, home), ExitStack() as stack:
        # A kernel that must ask for the address first drops what its queue for the answer does not hold.
        lab.measure_rtts({"host": at.ip}, echoes=1)
        receiver = stack.enter_context(socket_in(home, socket.SOCK_DGRAM))
        sender = stack.enter_context(socket_in(lab.clients[NEAR], socket.SOCK_DGRAM))
        receiver.bind((str(at.ip), 9999))
        receiver.settimeout(5)
        begin_ns = now_ns()
        for _ in range(count):
            sender.sendto(bytes(1000), (str(at.ip), 9999))
        for _ in range(count):
            receiver.recv(2000)
        took_ms = (now_ns() - begin_ns) / NS_PER_MS
        backbone = lab.backbone.report()
    # At least: a host may be slow, but no link may be quicker than its rate.
    assert took_ms >= RTT_MS / 2 + (count - 1) * 1.042
    assert (backbone.dropped, backbone.lost) == (0, 0)


def test_a_loss_holds_in_both_directions_and_is_counted() -> None:
    """An echo passes the far region's uplink twice, so 0.9 x 0.9 come back: 4,050 of 5,000, standard deviation 28."""
    with lab_with_host(loss=0.1) as (lab, at, _):
        paths = [rtt.Path(NEAR, f"host{number}", at.ip, RTT_MS) for number in range(25)]
        before = lab.backbone.report()
        back = sum(map(len, rtt.round_trips(lab.clients, paths, 200)))
        backbone = lab.backbone.report()
    # Of the 25 echoes that come first, and are not in ``back``, some are lost as well.
    assert 0 <= backbone.lost - before.lost - (5_000 - back) <= 25
    assert abs(back - 4_050) < 5 * 28
    assert backbone.dropped == 0
