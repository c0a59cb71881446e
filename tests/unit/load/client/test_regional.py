"""Clients in regions: where their requests go, and what they do when an entry is down."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.clock import NS_PER_S
from harness.load.client import failover as failover_module
from harness.load.client.failover import Failover
from harness.load.client.http import ExchangeFailed
from harness.load.client.regional import RegionalSession
from harness.load.client.routing import Routing
from harness.load.plan import RegionPlan
from harness.load.worker.prefill import homes
from harness.spec.route import Route
from tests.support.web import reply, service
from tests.unit.load.client.test_session import Told


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """The failovers' clock, which stands still until it is put forward by so many seconds."""
    at_ns = [10 * NS_PER_S]
    monkeypatch.setattr(failover_module, "now_ns", lambda: at_ns[0])

    def forward(seconds: float) -> None:
        at_ns[0] += round(seconds * NS_PER_S)

    return forward


def to(*ports: int) -> list[Routing]:
    return [Routing([Route("/", "127.0.0.1", port)]) for port in ports]


def test_an_entry_that_failed_is_left_alone_for_a_while(clock: Callable[[float], None]) -> None:
    failover = Failover("near", to(1, 2, 3), 5.0)
    assert failover.entry() == 0
    failover.failed(0)
    assert failover.entry() == 1
    clock(2)
    failover.failed(1)
    assert failover.entry() == 2
    failover.failed(2)
    # All are down: the one that will be tried again first.
    assert failover.entry() == 0
    clock(3)
    assert failover.entry() == 0
    failover.failed(0)
    clock(2)
    assert failover.entry() == 1


def test_one_entry_alone_is_always_tried(clock: Callable[[float], None]) -> None:
    failover = Failover("near", to(1), 5.0)
    failover.failed(0)
    assert failover.entry() == 0
    clock(0)


def test_each_region_has_connections_and_entries_of_its_own() -> None:
    with service(lambda _: reply(200, "near")) as near, service(lambda _: reply(200, "far")) as far:
        failovers = [Failover("near", to(near.port, far.port), 5.0), Failover("far", to(far.port, near.port), 5.0)]
        session = RegionalSession(failovers, 5, Told())
        for region, body in [(0, b"near"), (1, b"far")] * 3:
            session.region = region
            assert session.get("/").body == body
        session.close()
        assert (near.connections, far.connections) == (1, 1)


def test_all_clients_of_a_region_go_to_the_next_entry_and_come_back(clock: Callable[[float], None]) -> None:
    with service(lambda _: reply(200, "far")) as far, service(lambda _: reply(200, "near")) as near:
        pass
    with service(lambda _: reply(200, "far"), port=far.port):
        failovers = [Failover("near", to(near.port, far.port), 5.0), Failover("other", to(near.port), 5.0)]
        told = Told()
        one, other = (RegionalSession(failovers, 5, told) for _ in range(2))
        with pytest.raises(ExchangeFailed, match="refused"):
            one.get("/")
        for session in (one, other, one):
            assert session.get("/").body == b"far"
        # What one region's clients found out is not known in another.
        other.region = 1
        with pytest.raises(ExchangeFailed):
            other.get("/")
        other.region = 0
        with service(lambda _: reply(200, "near"), port=near.port):
            clock(4.9)
            assert one.get("/").body == b"far"
            clock(0.2)
            assert one.get("/").body == b"near"
            for session in (one, other):
                session.close()
    assert [outcome.name for _, outcome in told.seen].count("ERROR") == 2


def region(name: str, *entries: str, home: bool = True) -> RegionPlan:
    return RegionPlan(name, 1, None, tuple((Route("/", f"127.0.0.{entry}", 80),) for entry in entries), home)


def test_every_nearest_entry_is_filled_once_from_its_own_region() -> None:
    assert homes([]) == [0]
    assert homes([region("a", "1", "2"), region("b", "2", "1")]) == [0, 1]
    assert homes([region("a", "2", home=False), region("b", "2"), region("c", "2", home=False)]) == [1]
    # An entry that stands in no region of ours is filled all the same.
    assert homes([region("a", "3", home=False), region("b", "1"), region("c", "3", home=False)]) == [0, 1]
