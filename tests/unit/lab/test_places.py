"""Where a lab puts instances and their replicas, without a lab."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import DeployError
from harness.lab.bridged import BridgedLab, LoopbackLab, mac_of
from harness.targets.swarm.service import address_range


def lab() -> BridgedLab:
    """One that is up as far as addresses go, and has no client to be told of them."""
    made = BridgedLab("tare-x", "x")
    made.network = IPv4Network("198.18.7.0/24")
    made.client_netns = None
    return made


@given(st.lists(st.integers(0, 7), max_size=12))
def test_places_are_aligned_blocks_that_never_overlap(wanted: list[int]) -> None:
    made = lab()
    seen: set[IPv4Address] = set()
    for number, spares in enumerate(wanted):
        at = made.address(f"svc{number}", spares)
        ips = {at.ip, *(spare.ip for spare in at.spares)}
        assert len(ips) == 1 + len(at.spares) > spares
        assert not ips & seen
        assert set(address_range(at)) == ips
        assert {spare.prefix for spare in at.spares} <= {at.prefix}
        seen |= ips


def test_a_lab_has_an_end() -> None:
    made = lab()
    for number in range(241):
        made.address(f"svc{number}")
    with pytest.raises(DeployError, match="no free address"):
        made.address("svc")


def test_a_mac_address_is_the_engines_own_for_that_address() -> None:
    assert mac_of(IPv4Address("198.18.0.12")) == "02:42:c6:12:00:0c"
    assert lab().address("svc").mac == "02:42:c6:12:07:0a"


def test_loopback_has_no_spares() -> None:
    assert LoopbackLab("tare-x").address("svc").spares == ()
    with pytest.raises(DeployError, match="bridge"):
        LoopbackLab("tare-x").address("svc", spares=1)
