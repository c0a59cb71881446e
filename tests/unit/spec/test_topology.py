"""A topology's order of launch, its routes, and the places that an environment names."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.spec.topology import Member, Topology, launch_order, rendered

NAMES = ("auth", "broker", "catalog", "orders", "payments")


def member(*needs: str, **env: str) -> Member:
    return Member(port=80, needs=needs, env=env)


def topology_of(*services: str) -> Topology:
    return Topology(services=services, routes={"/": services[0]})


@st.composite
def acyclic(draw: st.DrawFn) -> tuple[Topology, dict[str, Member]]:
    """Some services in any order of the file, each of which needs some of those before it in a hidden order."""
    hidden = draw(st.permutations(NAMES))[: draw(st.integers(1, len(NAMES)))]
    needs = {
        name: draw(st.lists(st.sampled_from(hidden[:number]), max_size=3)) if number else []
        for number, name in enumerate(hidden)
    }
    return topology_of(*draw(st.permutations(hidden))), {name: member(*each) for name, each in needs.items()}


@given(acyclic())
def test_every_service_comes_once_and_after_all_that_it_needs(given: tuple[Topology, dict[str, Member]]) -> None:
    topology, members = given
    order = launch_order(topology, members)
    assert sorted(order) == sorted(topology.services)
    for number, name in enumerate(order):
        assert set(members[name].needs) <= set(order[:number])


@given(acyclic())
def test_otherwise_the_order_is_that_of_the_file(given: tuple[Topology, dict[str, Member]]) -> None:
    """At each turn the first service of the file whose needs are met."""
    topology, members = given
    order = launch_order(topology, members)
    for number, name in enumerate(order):
        before = set(order[:number])
        ready = [each for each in topology.services if each not in before and set(members[each].needs) <= before]
        assert name == ready[0]


@given(st.permutations(NAMES))
def test_without_needs_the_order_is_kept(services: list[str]) -> None:
    assert launch_order(topology_of(*services), dict.fromkeys(services, member())) == tuple(services)


@given(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
def test_a_circle_of_any_length_is_named_from_need_to_need(circle: list[str]) -> None:
    members = {name: member(circle[(number + 1) % len(circle)]) for number, name in enumerate(circle)}
    with pytest.raises(ValueError, match=r"^services need each other in a circle: ") as caught:
        launch_order(topology_of(*circle), members)
    told = str(caught.value).rpartition(": ")[2].split(" → ")
    assert told[0] == told[-1]
    assert sorted(told[1:]) == sorted(circle)
    assert all(need in members[name].needs for name, need in pairwise(told))


def test_a_need_outside_the_topology_is_named() -> None:
    with pytest.raises(ValueError, match="auth needs 'broker', which is not one of the topology's services"):
        launch_order(topology_of("auth"), {"auth": member("broker"), "broker": member()})


def test_routes_lead_by_the_longest_prefix_and_name_what_clients_reach() -> None:
    found = Topology(services=("broker", "auth", "shop"), routes={"/": "shop", "/auth": "auth", "/auth/old": "shop"})
    assert [found.route_of(path) for path in ("/", "/auth", "/authors", "/auth/old/1")] == [
        "shop", "auth", "shop", "shop",
    ]  # fmt: skip
    assert found.routed == ("auth", "shop")
    with pytest.raises(ValueError, match="no route leads to /x"):
        Topology(services=("auth",), routes={"/auth": "auth"}).route_of("/x")


@pytest.mark.parametrize(
    ("services", "routes", "complaint"),
    [
        (("auth", "auth"), {"/": "auth"}, "a service is named twice"),
        (("auth",), {"/": "shop"}, "routes: / leads to 'shop', which is not one of its services"),
        ((), {"/": "auth"}, "at least 1 item"),
        (("auth",), {}, "at least 1 item"),
        (("auth",), {"auth": "auth"}, "should match pattern"),
        (tuple(f"s{number}" for number in range(33)), {"/": "s1"}, "at most 32 items"),
    ],
)
def test_what_is_no_topology_is_refused(services: tuple[str, ...], routes: dict[str, str], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        Topology(services=services, routes=routes)


def test_references_are_rendered_and_all_else_is_left_as_it_is() -> None:
    places = {"broker": ("198.18.0.10", 4222), "auth": ("198.18.0.11", 80)}
    text = "${broker.address} ${auth.host}:${auth.port} $HOME ${HOME} ${auth.name} $${auth.port}"
    assert rendered(text, places) == "198.18.0.10:4222 198.18.0.11:80 $HOME ${HOME} ${auth.name} $80"
    assert member(A=text, B="plain").references == {"broker", "auth"}
    assert member(A="${HOME}").references == frozenset()
    assert Member(argv=("x",), port=1, next={"A": "${auth.port}"}).references == {"auth"}
