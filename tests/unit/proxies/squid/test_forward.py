"""The entries of a forward proxy's allow list."""

from __future__ import annotations

import string
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import SpecError
from harness.proxies.squid.forward import destination


@given(st.text(max_size=30))
def test_an_entry_of_the_allow_list_is_a_destination_or_is_refused(place: str) -> None:
    try:
        host, port = destination(place)
    except SpecError:
        return
    assert len(str(host).split()) == 1
    assert set(str(host)) <= set(string.ascii_letters + string.digits + ".-/")
    assert port is None or 0 < port < 65_536


@pytest.mark.parametrize(
    "place",
    ["", ":80", "a b", "198.18.0.1:", "198.18.0.1:0", "198.18.0.1:70000", "1.2.3", "-x", "a..b", "198.18.0.1/8", "a\n"],
)
def test_what_is_no_destination_is_refused(place: str) -> None:
    with pytest.raises(SpecError, match="no destination"):
        destination(place)


def test_addresses_are_taken_as_they_are() -> None:
    host, port = destination("198.18.0.1:80")
    assert (str(host), port) == ("198.18.0.1/32", 80)
    assert IPv4Address("198.18.0.1") in host if not isinstance(host, str) else False


@pytest.mark.parametrize(
    ("place", "host", "port"),
    [
        ("198.18.9.0/24", "198.18.9.0/24", None),
        ("shop.example", "shop.example", None),
        (".in.example:80", ".in.example", 80),
    ],
)
def test_networks_and_names_need_no_port(place: str, host: str, port: int | None) -> None:
    found, at = destination(place)
    assert (str(found), at) == (host, port)
