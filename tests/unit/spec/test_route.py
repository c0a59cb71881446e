"""Which route a path takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.spec.route import Route, is_below, longest_prefix, route_of

SEGMENTS = st.lists(st.sampled_from(["a", "b", "ab", ""]), min_size=1, max_size=4)
PATHS = SEGMENTS.map(lambda segments: "/" + "/".join(segments))


@given(PATHS, PATHS, st.sampled_from(["", "?", "?x=/a", "/?x"]))
def test_below_is_by_whole_segments(path: str, prefix: str, end: str) -> None:
    parts, wanted = path.split("/"), prefix.removesuffix("/").split("/")
    expected = parts[: len(wanted)] == wanted and (not prefix.endswith("/") or len(parts) > len(wanted))
    assert is_below(path, prefix) == expected
    if expected:
        assert is_below(path + end, prefix)


@given(PATHS, st.sets(PATHS))
def test_the_longest_prefix_wins(path: str, prefixes: set[str]) -> None:
    found = longest_prefix(path, prefixes | {"/"})
    assert is_below(path, found)
    assert not any(is_below(path, other) and len(other) > len(found) for other in prefixes)


def test_the_examples_of_a_shop() -> None:
    routes = [Route("/", "10.0.0.1", 1), Route("/pay", "10.0.0.2", 2), Route("/pay/old", "10.0.0.3", 3)]
    for path, port in [("/", 1), ("/payments", 1), ("/pay", 2), ("/pay?x=1", 2), ("/pay/1", 2), ("/pay/old/2", 3)]:
        assert route_of(path, routes).port == port


def test_without_a_route_it_says_so() -> None:
    with pytest.raises(ValueError, match="no route leads to /x"):
        route_of("/x", [Route("/y", "10.0.0.1", 1)])
