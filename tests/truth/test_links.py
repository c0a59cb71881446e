"""What a distance and a rate between regions do to packets, handshakes and transfers, in time."""

from __future__ import annotations

import math
import socket
import statistics
from contextlib import ExitStack
from functools import partial

import pytest

from harness.clock import NS_PER_MS, NS_PER_S, now_ns
from harness.lab import round_trips as rtt
from harness.lab.realtime import precedence
from tests.support.netns_sockets import connect_ms, socket_in
from tests.support.regions import FAR, NEAR, RTT_MS, lab_with_host, listening
from tests.support.transfer import round_trips, transfer
from tests.support.truth import Truth
from tests.support.undisturbed import on_time, undisturbed
from tests.truth.conftest import Weigh

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

WAKE_UPS = 4
"""Of an echo's round trip: the backbone's for each direction, and its sender's twice."""

FOR_MEDIANS = partial(on_time, 0.5 / WAKE_UPS)
FOR_P99 = partial(on_time, 0.01 / WAKE_UPS)
"""The host alone may not be what makes half, or a hundredth, of all echoes late (the union bound)."""


def test_echoes_and_connects_take_the_distance(weigh: Weigh) -> None:
    """An echo or a handshake takes one round trip over the distance, and next to none within a region."""

    def once() -> tuple[float, ...]:
        with lab_with_host() as (lab, at, home), listening(home, at) as server:
            near, far = lab.measure_rtts({"host": at.ip}, echoes=50)
            port = server.getsockname()[1]
            with precedence():
                connects = [connect_ms(lab.clients[NEAR], str(at.ip), port) for _ in range(10)]
                within = [connect_ms(lab.clients[FAR], str(at.ip), port) for _ in range(5)]
            assert lab.backbone.report().dropped == 0
        return near.median_ms, statistics.median(connects), far.median_ms, statistics.median(within)

    over, inside = (RTT_MS, RTT_MS + 1), (0, 1)
    truths = (
        Truth("round trip of an echo over 80 ms", "ms", *over, within=0.25),
        Truth("a connect over 80 ms", "ms", *over, within=0.25),
        Truth("round trip of an echo within a region", "ms", *inside, within=0.25),
        Truth("a connect within a region", "ms", *inside, within=0.25),
    )
    weigh(truths, once, budget_s=50, watch=FOR_MEDIANS)


def test_the_first_packet_waits_for_no_question_of_who_has_the_address(weigh: Weigh) -> None:
    """The backbone answers it, so a first connect takes one round trip as well; by asking it would take two."""

    def once() -> tuple[float]:
        with lab_with_host() as (lab, at, home), listening(home, at) as server:
            return (connect_ms(lab.clients[NEAR], str(at.ip), server.getsockname()[1]) / RTT_MS,)

    weigh((Truth("round trips of a first connect", "", 1, 1.1, within=0.05),), once, budget_s=30, watch=undisturbed)


SIZE = 1_000_000


def test_a_transfer_takes_the_round_trips_of_slow_start(weigh: Weigh) -> None:
    """See tests.support.transfer. A large window that is sent at once comes over some milliseconds."""

    def once() -> tuple[float, float]:
        done = transfer(SIZE)
        return done.took_ns / NS_PER_MS / RTT_MS, done.sent_again

    expected = round_trips(SIZE)
    truths = (
        Truth("round trips of a transfer of 1 MB", "", expected, expected + 0.5, within=0.25),
        Truth("segments of it that were sent again", "", 0, 0, within=0),
    )
    weigh(truths, once, budget_s=40, watch=undisturbed)


ECHOES_AT_ONCE = 50
"""Paths that take turns, each with an echo every 10 ms: 5,000 echoes a second, 10,000 packets through the backbone."""

ECHOES = 200


def test_ten_thousand_packets_a_second_are_less_than_a_millisecond_late(weigh: Weigh) -> None:
    """Beyond the distance, at p99: the echoes as who sends them sees it, the packets as the backbone counts."""

    def once() -> tuple[float, float, float]:
        with lab_with_host() as (lab, at, _):
            paths = [rtt.Path(NEAR, f"host{number}", at.ip, RTT_MS) for number in range(ECHOES_AT_ONCE)]
            before, begin_ns = lab.backbone.report(), now_ns()
            found = rtt.round_trips(lab.clients, paths, ECHOES)
            end_ns, backbone = now_ns(), lab.backbone.report()
        errors_ms = sorted(each / NS_PER_MS - RTT_MS for rtts_ns in found for each in rtts_ns)
        assert len(errors_ms) == ECHOES_AT_ONCE * ECHOES
        assert (backbone.dropped, backbone.lost) == (0, 0)
        seconds = (end_ns - begin_ns) / NS_PER_S - 2 * RTT_MS / 1000
        rate = (backbone.packets - before.packets) / seconds
        return errors_ms[math.ceil(0.99 * len(errors_ms)) - 1], backbone.late_p99_ns / NS_PER_MS, rate

    truths = (
        Truth("how late echoes are at 10,000 packets/s, p99", "ms", 0, 1, within=0.5),
        Truth("how late packets leave the backbone at that rate, p99", "ms", 0, 1, within=0.5),
        Truth("packets/s that the backbone carried", "", 9_600, 10_400, within=200),
    )
    weigh(truths, once, budget_s=60, watch=FOR_P99)


def test_a_rate_spreads_what_comes_at_once(weigh: Weigh) -> None:
    """200 frames of 1,042 bytes at 8 Mbit/s: 1.042 ms each, from the first to the last."""
    count, apart_ms = 200, 1.042

    def once() -> tuple[float]:
        with lab_with_host(rate_mbit=8) as (lab, at, home), ExitStack() as stack:
            # A kernel that must ask for the address first drops what its queue for the answer does not hold.
            lab.measure_rtts({"host": at.ip}, echoes=1)
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
        return ((come_ns[-1] - come_ns[0]) / NS_PER_MS,)

    expected = (count - 1) * apart_ms
    truth = Truth("200 frames at 8 Mbit/s", "ms", expected * 0.98, expected * 1.02, within=expected * 0.02)
    weigh((truth,), once, budget_s=30, watch=undisturbed)
