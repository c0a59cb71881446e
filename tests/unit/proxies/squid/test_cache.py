"""Squid's own, as a cache: the room that it is given, the paths that it compares, and its header."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import SpecError
from harness.proxies.api import Route, Upstream
from harness.proxies.squid.cache import SquidCacheProxy, pattern, room
from harness.spec.proxy import ProxySpec
from harness.units import MIB

PROXY = SquidCacheProxy()
ROUTES = (Route("/", (Upstream("svc", "198.18.0.10", 8000),)),)


@given(st.integers(MIB, 1 << 42))
def test_the_folder_and_its_percentage_come_near_the_capacity(size: int) -> None:
    mib, percent = room(size)
    assert mib * MIB >= 3.5 * size
    assert 0 < percent < 99
    assert abs(mib * percent / 100 * MIB / size - 1) < 0.02


def test_the_folders_are_made_before_it_serves() -> None:
    argv = PROXY.render(ProxySpec(kind=PROXY.name), ROUTES, None).argv
    assert re.fullmatch(r"squid -N -z -f (\S+) >&2 && exec squid -N -f \1", argv[-1])


def test_a_prefix_that_squid_would_decode_is_refused() -> None:
    with pytest.raises(SpecError, match="Squid decodes paths"):
        PROXY.proxy_service(ProxySpec(kind=PROXY.name), [Route("/a%20b", ROUTES[0].upstreams)])


@pytest.mark.parametrize("prefix", ["/a.b", "/a+b", "/(a)", "/a*", "/a$b", "/it's"])
def test_a_prefix_stands_for_itself(prefix: str) -> None:
    assert re.search(pattern(prefix), prefix)
    assert re.search(pattern(prefix), f"{prefix}/x")
    assert re.search(pattern(prefix), f"{prefix}?x")
    assert not re.search(pattern(prefix), f"{prefix}x")
    assert not re.search(pattern("/a.b"), "/axb")


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("FROM/HIER_NONE", "hit"),
        ("FROM/ROUNDROBIN_PARENT", "miss"),
        ("FROM/HIER_DIRECT", "miss"),
        ("STALE/ROUNDROBIN_PARENT", "stale"),
        ("STALE/HIER_NONE", "hit"),
        ("PASS", "pass"),
        (None, "none"),
    ],
)
def test_its_header_is_read(value: str | None, word: str) -> None:
    assert PROXY.outcome is not None
    assert PROXY.outcome.word(value) == word
