"""Where a lab with regions puts hosts, without a lab."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import DeployError
from harness.lab import namespace
from harness.lab.bridged import BridgedLab, LoopbackLab, is_own_link
from harness.lab.regional import RegionalLab
from harness.lab.round_trips import checksum
from harness.spec.geography import Geography


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> RegionalLab:
    """One that is up as far as addresses go; its clients are not there to be told."""
    monkeypatch.setattr(namespace, "know_neighbour", lambda *_args: None)
    made = RegionalLab("tare-x", "x", Geography(preset="five-regions", origin="eu-central"))
    made.network = IPv4Network("198.18.16.0/20")
    return made


def test_every_region_has_a_client_and_the_origins_is_the_labs(lab: RegionalLab) -> None:
    assert list(lab.clients) == ["us-east", "eu-central", "sa-east", "ap-northeast", "ap-southeast"]
    assert lab.client_netns == lab.clients["eu-central"] == "tare-x-client-eu-central"


def test_a_place_tells_its_region_and_what_is_there(lab: RegionalLab) -> None:
    at = lab.address("proxy-sa-east", region="sa-east")
    assert (at.ip, at.region) == (IPv4Address("198.18.18.10"), "sa-east")
    assert (at.pool, at.network) == (IPv4Network("198.18.18.0/24"), IPv4Network("198.18.16.0/20"))
    assert (at.gateway, at.mac) == (IPv4Address("198.18.18.1"), "02:42:c6:12:12:0a")
    assert (at.bridge, at.interface, at.client) == ("tarex-r2", "tarex-522", "tare-x-client-sa-east")
    assert lab.region_of(at.ip) == "sa-east"


def test_without_a_word_it_is_the_origins_region(lab: RegionalLab) -> None:
    assert lab.address("origin").region == "eu-central"
    assert lab.address("other", spares=1).ip == IPv4Address("198.18.17.12")


def test_regions_fill_up_apart(lab: RegionalLab) -> None:
    for number in range(241):
        lab.address(f"svc{number}", region="us-east")
    with pytest.raises(DeployError, match="no free address"):
        lab.address("svc", region="us-east")
    lab.address("svc", region="sa-east")


def test_a_strange_address_is_in_no_region(lab: RegionalLab) -> None:
    with pytest.raises(ValueError, match="no region"):
        lab.region_of(IPv4Address("198.18.0.10"))


def test_a_lab_that_is_not_up_has_neither_core_nor_addresses() -> None:
    made = RegionalLab("tare-x", "x", Geography(preset="five-regions", origin="eu-central"))
    for ask in (lambda: made.backbone, lambda: made.address("svc"), lambda: made.pool("sa-east")):
        with pytest.raises(RuntimeError, match="not up"):
            ask()


def test_other_labs_have_no_regions() -> None:
    with pytest.raises(ValueError, match="no regions"):
        BridgedLab("tare-x", "x").address("svc", region="sa-east")
    with pytest.raises(DeployError, match="bridges"):
        LoopbackLab("tare-x").address("svc", region="sa-east")


@given(st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=6), st.integers(2, 16))
def test_its_links_are_recognised_and_linux_takes_them(tag: str, count: int) -> None:
    regions = [f"r{number}" for number in range(count)]
    links = [{"between": (one, other), "rtt_ms": 1.0} for at, one in enumerate(regions) for other in regions[at + 1 :]]
    spec = {"regions": {name: {} for name in regions}, "links": links, "origin": "r0"}
    lab = RegionalLab("tare-x", tag, Geography.model_validate(spec))
    for site in lab._sites.values():
        for name in (site.bridge, site.client_link, site.tap, f"tare{tag}-{(site.number << 8) + 250}"):
            assert is_own_link(name)
            assert len(name) <= 15


@given(st.binary(max_size=60))
def test_a_checksum_of_data_with_its_checksum_is_nothing(data: bytes) -> None:
    """RFC 1071: the check of whole words with their checksum gives 0."""
    whole = data + bytes(len(data) % 2)
    assert checksum(whole + checksum(whole).to_bytes(2, "big")) == 0
