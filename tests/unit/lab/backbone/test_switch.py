"""What the backbone does to frames, on a clock that stands still until it is moved."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.lab.backbone.switch import BACKLOG_NS, LONGEST_FRAME, MAX_FRAMES, Line, Switch
from tests.support.frames import BROADCAST, frame, hardware, who_has

MS = 1_000_000
NETS = [bytes([198, 18, net]) for net in range(3)]
HERE, THERE, FAR = "198.18.0.10", "198.18.1.10", "198.18.2.10"
DELAYS = [[0, 40 * MS, 100 * MS], [40 * MS, 0, 70 * MS], [100 * MS, 70 * MS, 0]]


class Backbone:
    """A switch with its clock; what it puts out is kept with the moment."""

    def __init__(
        self, rates: Sequence[float | None] = (None,) * 3, losses: Sequence[float] = (0,) * 3, refuses: bool = False
    ) -> None:
        self.now_ns = 0
        self.out: list[tuple[int, int, bytes]] = []
        self.refuses = refuses
        draw = random.Random(7).random
        lines = [[Line(rate, loss, draw) for rate, loss in zip(rates, losses, strict=True)] for _ in range(2)]
        self.switch = Switch(NETS, DELAYS, lines[0], lines[1], self._put, lambda: self.now_ns)

    def _put(self, port: int, data: bytes) -> bool:
        self.out.append((self.now_ns, port, data))
        return not self.refuses

    def run(self, until_ns: int = 10**12) -> None:
        """Move the clock from one thing to be done to the next."""
        while (at := self.switch.next_ns) is not None and at <= until_ns:
            self.now_ns = max(self.now_ns, at)
            self.switch.deliver(1000)


def test_a_frame_is_put_out_in_its_hosts_region_after_the_one_way_delay() -> None:
    backbone = Backbone()
    backbone.switch.receive(0, frame(THERE, HERE, b"a"), 5 * MS)
    backbone.switch.receive(2, frame(HERE, FAR, b"b"), 6 * MS)
    backbone.run()
    assert backbone.out == [(45 * MS, 1, frame(THERE, HERE, b"a")), (106 * MS, 0, frame(HERE, FAR, b"b"))]
    assert (backbone.switch.packets, backbone.switch.dropped, backbone.switch.lost) == (2, 0, 0)


def test_what_is_not_due_stays() -> None:
    backbone = Backbone()
    backbone.switch.receive(0, frame(THERE, HERE, b"a"), 0)
    backbone.now_ns = 40 * MS - 1
    backbone.switch.deliver(1000)
    assert backbone.out == []


def test_a_frame_for_the_region_that_it_comes_from_goes_nowhere() -> None:
    backbone = Backbone()
    backbone.switch.receive(0, frame("198.18.0.11", HERE, b"a"), 0)
    assert backbone.switch.next_ns is None


@pytest.mark.parametrize("to", [BROADCAST, bytes.fromhex("3333000000 01"), bytes.fromhex("0200deadbeef")])
def test_what_is_for_all_or_for_an_unknown_host_goes_to_every_other_region_after_its_own_delay(to: bytes) -> None:
    backbone = Backbone()
    backbone.switch.receive(1, to + hardware(THERE) + b"\x86\xddx", 0)
    backbone.run()
    assert [(at, port) for at, port, _ in backbone.out] == [(40 * MS, 0), (70 * MS, 2)]


def test_who_asks_for_a_host_of_another_region_is_answered_at_once() -> None:
    backbone = Backbone()
    backbone.switch.receive(0, who_has(FAR, HERE), 3)
    ((_, port, answer),) = backbone.out
    assert port == 0
    assert answer[:14] == hardware(HERE) + hardware(FAR) + b"\x08\x06"
    assert answer[20:22] == b"\x00\x02"
    assert (answer[22:28], answer[28:32]) == (hardware(FAR), bytes([198, 18, 2, 10]))
    assert (answer[32:38], answer[38:42]) == (hardware(HERE), bytes([198, 18, 0, 10]))
    assert backbone.switch.next_ns is None


@pytest.mark.parametrize(
    "asked",
    [
        who_has("198.18.0.77", HERE),
        who_has(FAR, HERE, "0.0.0.0"),
        who_has("10.0.0.1", HERE),
        who_has(FAR, HERE)[:30],
    ],
    ids=["of its own region", "whether the address is free", "outside the lab", "cut short"],
)
def test_other_questions_are_carried_and_not_answered(asked: bytes) -> None:
    backbone = Backbone()
    backbone.switch.receive(0, asked, 0)
    assert backbone.out == []
    backbone.run()
    assert [data for _, _, data in backbone.out] == [asked, asked]


def test_a_frame_that_no_wire_carries_is_dropped_and_counted() -> None:
    backbone = Backbone()
    backbone.switch.receive(0, frame(THERE, HERE, b"", LONGEST_FRAME), 0)
    backbone.switch.receive(0, frame(THERE, HERE, b"", LONGEST_FRAME + 1), 0)
    backbone.run()
    assert (backbone.switch.packets, backbone.switch.dropped, backbone.switch.bytes) == (1, 1, LONGEST_FRAME)


def test_what_a_device_does_not_take_is_dropped_and_counted() -> None:
    backbone = Backbone(refuses=True)
    backbone.switch.receive(0, frame(THERE, HERE, b"a"), 0)
    backbone.run()
    assert (backbone.switch.packets, backbone.switch.dropped) == (0, 1)


@pytest.mark.parametrize("slow", [0, 1], ids=["the sender's", "the receiver's"])
def test_frames_leave_a_line_of_limited_rate_one_after_another(slow: int) -> None:
    """1,000 bytes at 8 Mbit/s take 1 ms."""
    backbone = Backbone(rates=[8e6 if port == slow else None for port in range(3)])
    for number in range(5):
        backbone.switch.receive(0, frame(THERE, HERE, bytes([number]), 1000), 0)
    backbone.run()
    assert [(at, data[14]) for at, _, data in backbone.out] == [((41 + number) * MS, number) for number in range(5)]


def test_too_long_a_queue_before_a_line_is_dropped_and_counted() -> None:
    backbone = Backbone(rates=[8e6, None, None])
    fits = BACKLOG_NS // MS + 1
    for _ in range(fits + 20):
        backbone.switch.receive(0, frame(THERE, HERE, b"", 1000), 0)
    backbone.run()
    assert (backbone.switch.packets, backbone.switch.dropped) == (fits, 20)


def test_no_more_is_under_way_than_the_memory_is_for() -> None:
    backbone = Backbone()
    data = frame(THERE, HERE, b"a")
    for _ in range(MAX_FRAMES + 3):
        backbone.switch.receive(0, data, 0)
    assert backbone.switch.dropped == 3


@pytest.mark.parametrize("lossy", [0, 1], ids=["the sender's", "the receiver's"])
def test_a_line_loses_its_share_and_counts_it(lossy: int) -> None:
    """The count is binomial(4000, 0.1): 400, and 5 standard deviations are 95."""
    backbone = Backbone(losses=[0.1 if port == lossy else 0 for port in range(3)])
    for _ in range(4000):
        backbone.switch.receive(0, frame(THERE, HERE, b"a"), 0)
    backbone.run()
    assert backbone.switch.packets + backbone.switch.lost == 4000
    assert abs(backbone.switch.lost - 400) < 95


def test_how_late_frames_leave_is_told_to_ten_microseconds() -> None:
    backbone = Backbone()
    assert backbone.switch.late_ns(0.99) == 0
    for number in range(100):
        backbone.switch.receive(0, frame(THERE, HERE, b"a"), 0)
        backbone.now_ns = backbone.switch.next_ns or 0
        backbone.now_ns += 725_000 if number < 2 else 14_000
        backbone.switch.deliver(1)
    assert backbone.switch.late_ns(0.5) == 20_000
    assert backbone.switch.late_ns(0.99) == 730_000


SENT = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 5 * MS), st.integers(60, 1514)))
RATES = st.lists(st.sampled_from([None, 1e6, 2e7]), min_size=3, max_size=3)


@given(SENT, RATES)
def test_between_two_regions_the_order_is_kept_and_nothing_comes_early(
    sent: list[tuple[int, int, int, int]], rates: list[float | None]
) -> None:
    backbone = Backbone(rates=rates)
    hosts = (HERE, THERE, FAR)
    at_ns = {}
    now_ns = 0
    for number, (source, target, gap_ns, size) in enumerate(sent):
        now_ns += gap_ns
        backbone.run(now_ns)
        backbone.now_ns = now_ns
        at_ns[number] = now_ns
        backbone.switch.receive(source, frame(hosts[target], hosts[source], number.to_bytes(4, "big"), size), now_ns)
    backbone.run()
    between = sum(source != target for source, target, _, _ in sent)
    assert backbone.switch.packets + backbone.switch.dropped == between
    seen: dict[tuple[int, int], list[int]] = {}
    for moment, port, data in backbone.out:
        number = int.from_bytes(data[14:18], "big")
        source, target, _, size = sent[number]
        assert port == target
        assert len(data) == size
        assert moment >= at_ns[number] + DELAYS[source][target]
        seen.setdefault((source, target), []).append(number)
    assert all(numbers == sorted(numbers) for numbers in seen.values())
