"""What Squid is told of its cache."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import SpecError
from harness.proxies import caching
from harness.proxies.api import Route, Upstream
from harness.proxies.caching import CLAIMS_OF_HOST, CacheSize
from harness.proxies.squid.cache import SquidCacheFront, pattern, room
from harness.spec.front import CacheSpec, FrontSpec
from harness.units import MIB

FRONT = SquidCacheFront()
ROUTES = (Route("/", (Upstream("svc", "198.18.0.10", 8000),)),)


def config(size: int = 64 * MIB, routes: tuple[Route, ...] = ROUTES, **cache: object) -> str:
    spec = FrontSpec(kind=FRONT.name, cache=CacheSpec.model_validate(cache))
    return FRONT.render(caching.with_size(spec, CacheSize(size)), routes, None).files["squid.conf"]


@given(st.integers(MIB, 1 << 42))
def test_the_folder_and_its_percentage_come_near_the_capacity(size: int) -> None:
    mib, percent = room(size)
    assert mib * MIB >= 3.5 * size
    assert 0 < percent < 99
    assert abs(mib * percent / 100 * MIB / size - 1) < 0.02


def test_it_is_told_the_folder_the_percentages_and_the_policy() -> None:
    text = config(16 * MIB, policy="lru")
    assert (
        "cache_replacement_policy lru\ncache_dir ufs /tmp/front/cache 64 4 64\ncache_swap_low 25\ncache_swap_high 26\n"
        in text
    )
    assert "cache_mem 0\n" in text
    assert "cache_replacement_policy heap LFUDA\n" in config(policy="lfuda")
    assert "cache_replacement_policy heap GDSF\n" in config(policy="gdsf")


def test_the_folders_are_made_before_it_serves() -> None:
    argv = FRONT.render(FrontSpec(kind=FRONT.name), ROUTES, None).argv
    assert re.fullmatch(r"squid -N -z -f (\S+) >&2 && exec squid -N -f \1", argv[-1])


def test_without_a_lifetime_it_asks_the_services_itself() -> None:
    text = config()
    assert "http_port 8080 accel no-vhost defaultsite=front ignore-cc\n" in text
    assert text.count("http_port") == 1
    assert "inner" not in text
    assert "never_direct allow all\n" in text


def test_a_lifetime_makes_it_ask_itself_where_nothing_is_kept() -> None:
    text = config(ttl_s=2.5)
    assert "http_port 8080 accel no-vhost defaultsite=127.0.0.1 vport=8081 ignore-cc\n" in text
    assert "http_port 127.0.0.1:8081 accel no-vhost defaultsite=front name=inner\n" in text
    assert "cache deny inner\n" in text
    assert 'reply_header_add Cache-Control "public, max-age=3" inner storable !forbidden !cookie\n' in text
    assert "always_direct allow !inner\n" in text
    assert "cache_peer_access group1-1 allow inner route0\ncache_peer_access group1-1 deny all\n" in text


def test_stale_and_collapse_are_rendered() -> None:
    assert "max_stale 0 seconds\ncollapsed" not in config()
    assert "max_stale 0 seconds\n" in config()
    assert "max_stale 3 seconds\n" in config(stale_if_error_s=2.5)
    assert "collapsed_forwarding on\n" in config()
    assert "collapsed_forwarding off\n" in config(collapse=False)


def test_what_a_client_says_of_hosts_goes_no_further() -> None:
    text = config()
    assert all(f"request_header_access {name} deny all\n" in text for name in CLAIMS_OF_HOST)


def test_an_upstream_is_left_alone_only_where_there_is_another() -> None:
    assert "connect-fail-limit=1000000 " in config()
    two = (Route("/", (Upstream("a", "198.18.0.10", 8000), Upstream("b", "198.18.0.11", 8000))),)
    assert config(routes=two).count("connect-fail-limit=1 ") == 2


def test_a_prefix_that_squid_would_decode_is_refused() -> None:
    with pytest.raises(SpecError, match="Squid decodes paths"):
        FRONT.front_service(FrontSpec(kind=FRONT.name), [Route("/a%20b", ROUTES[0].upstreams)])


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
    assert FRONT.outcome is not None
    assert FRONT.outcome.word(value) == word
