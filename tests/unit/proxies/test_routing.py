"""Which upstreams a path is for, whatever proxy it is that routes."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.proxies.api import Route, Upstream
from harness.proxies.routing import ROOT, below, fail_timeout, table
from harness.spec.proxy import ProxySpec
from harness.spec.route import is_below

SEGMENTS = st.text(string.ascii_letters + string.digits + "._~!$&'()*+,;=:@%-", min_size=1, max_size=4)
PREFIXES = st.builds(
    lambda parts, slash: "/" + "/".join(parts) + ("/" if slash and parts else ""),
    st.lists(SEGMENTS, max_size=2),
    st.booleans(),
)
UPSTREAMS = st.builds(Upstream, st.just("svc"), st.builds(str, st.ip_addresses(v=4)), st.integers(1, 65_535))
GROUPS = st.lists(UPSTREAMS, min_size=1, max_size=4, unique_by=lambda upstream: upstream.address).map(tuple)
ROUTES = st.lists(st.builds(Route, PREFIXES, GROUPS), min_size=1, max_size=5, unique_by=lambda route: route.prefix)
SUFFIXES = st.sampled_from(["", "/", "x", "/x", "?x=/", "/x?y", "?"])
ONE, OTHER = Upstream("a", "198.18.0.10", 8000), Upstream("b", "198.18.0.11", 8000)


@given(routes=ROUTES, suffix=SUFFIXES, data=st.data())
def test_the_first_rule_that_fits_is_that_of_the_longest_prefix(
    routes: list[Route], suffix: str, data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from(routes)).prefix + suffix
    matching = [route for route in routes if is_below(path, route.prefix)]
    expected = max(matching, key=lambda route: len(route.prefix)).upstreams if matching else None
    routed = table(routes)
    found = next((group for prefix, group in routed.below_root if re.search(below(prefix), path)), routed.root)
    assert (found.upstreams if found else None) == expected


@given(ROUTES)
def test_every_route_has_a_rule_and_every_group_is_used(routes: list[Route]) -> None:
    routed = table(routes)
    assert {prefix: group.upstreams for prefix, group in routed.rules} == {r.prefix: r.upstreams for r in routes}
    assert {group.name for _, group in routed.rules} == {group.name for group in routed.groups}
    assert len({group.name for group in routed.groups}) == len(routed.groups)


@given(ROUTES)
def test_the_rule_of_everything_is_the_last(routes: list[Route]) -> None:
    routed = table(routes)
    whole = () if routed.root is None else ((ROOT, routed.root),)
    assert routed.rules == (*routed.below_root, *whole)


def test_routes_to_the_same_upstreams_share_a_group() -> None:
    routed = table([Route("/a", (ONE,)), Route("/b", (ONE, OTHER)), Route("/c", (ONE,))])
    assert [(group.name, group.upstreams) for group in routed.groups] == [
        ("group1", (ONE,)),
        ("group2", (ONE, OTHER)),
    ]
    assert [(prefix, group.name) for prefix, group in routed.rules] == [
        ("/a", "group1"),
        ("/b", "group2"),
        ("/c", "group1"),
    ]


@pytest.mark.parametrize(("asked", "seconds"), [(0.2, 1), (1.0, 1), (2.5, 3)])
def test_a_pause_is_in_whole_seconds_rounded_up(asked: float, seconds: int) -> None:
    assert fail_timeout(ProxySpec(kind="x", fail_timeout_s=asked)) == seconds
