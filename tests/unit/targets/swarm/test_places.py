"""What the swarm target makes of a place in the lab, without an engine."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from harness.errors import DeployError
from harness.lab import namespace
from harness.lab.api import LabAddress
from harness.targets.swarm import target as swarm
from harness.targets.swarm.instance import require_places
from harness.targets.swarm.service import address_range, update_order


def place(host: int, spares: int = 0) -> LabAddress:
    """At 198.18.0.``host``, with so many spares right after it."""
    return LabAddress(
        "tare-x-svc",
        IPv4Address(f"198.18.0.{host}"),
        mac=f"02:42:c6:12:00:{host:02x}",
        network=IPv4Network("198.18.0.0/24"),
        client="tare-x-client",
        spares=tuple(place(host + each) for each in range(1, spares + 1)),
    )


def test_the_range_is_exactly_the_places() -> None:
    assert address_range(place(10)) == IPv4Network("198.18.0.10/32")
    assert address_range(place(16, 7)) == IPv4Network("198.18.0.16/29")
    with pytest.raises(ValueError, match="aligned"):
        address_range(place(17, 3))


@pytest.mark.parametrize(
    ("spares", "replicas", "order"), [(0, 1, "stop-first"), (3, 3, "stop-first"), (3, 2, "start-first")]
)
def test_a_new_replica_starts_first_where_it_has_an_address(spares: int, replicas: int, order: str) -> None:
    assert update_order(replicas, place(16, spares)) == order


def test_replicas_need_places() -> None:
    require_places(4, place(16, 3))
    with pytest.raises(DeployError, match="4 addresses, too few for 5 replicas"):
        require_places(5, place(16, 3))


def test_a_client_is_told_of_an_address_that_the_engine_chose(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, IPv4Address, str]] = []
    monkeypatch.setattr(namespace, "know_neighbour", lambda *entry: told.append(entry))
    at = place(16, 3)

    def started(ip: str, mac: str) -> dict[str, object]:
        return {
            "NetworkSettings": {"Networks": {"other": {"IPAddress": ""}, "x": {"IPAddress": ip, "MacAddress": mac}}}
        }

    swarm._know(at, started("198.18.0.17", "02:42:c6:12:00:11"))
    swarm._know(at, started("198.18.0.18", "7a:00:00:00:00:01"))
    swarm._know(replace(at, client=None), started("198.18.0.18", "7a:00:00:00:00:01"))
    assert told == [("tare-x-client", IPv4Address("198.18.0.18"), "7a:00:00:00:00:01")]
