"""A closed path is tried, what a proxy served is told by instance, and an answer of another kind is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from harness.errors import LoadError
from harness.lab.bridged import BridgedLab
from harness.records.cache import OriginCount
from harness.trial import checks
from harness.trial.arrangement import lay_out
from harness.trial.launch import Deployment, deploy
from harness.trial.layout import Layout
from tests.support import web
from tests.support.fake_sets import FakeForwardProxy, FakeProxy, SetBench, SetTarget, WideLab, set_bench


class ClosedLab(BridgedLab):
    """On loopback instead of a bridge. ``closed``: what the client shall not reach any more."""

    def __init__(self) -> None:
        super().__init__("tare-x", "x")
        self.client_netns = None
        self.closed: list[str] = []

    def close_to_client(self, ip: IPv4Address) -> None:
        self.closed.append(str(ip))


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as found:
        yield found


def proxied(folder: Path, proxy: FakeProxy, target: SetTarget | None = None) -> SetBench:
    made = set_bench(
        folder, *([target] if target else []),
        matrix={"proxies": [proxy.name]}, baseline=f"shop-fake-{proxy.name}",
    )  # fmt: skip
    made.proxies[proxy.name] = proxy
    return made


def layout_of(made: SetBench) -> Layout:
    return lay_out(made.variant, made.setting, WideLab("tare-x"), made.path)


def deployed(made: SetBench, stack: ExitStack) -> Deployment:
    return deploy(layout_of(made), made.setting, WideLab("tare-x"), made.path, stack, [])[0]


def behind_a_proxy(folder: Path, forward_proxy: web.Service) -> Layout:
    """Services that do not run, behind a forward proxy that does."""
    layout = layout_of(proxied(folder, FakeForwardProxy(folder)))
    way = type(layout.way)(forward_proxy=("127.0.0.1", forward_proxy.port))
    return replace(layout, way=way)


def test_the_clients_way_to_every_service_is_taken_away_and_tried(tmp_path: Path) -> None:
    lab = ClosedLab()
    with web.service(lambda _: web.reply(403, "")) as forward_proxy:
        layout = behind_a_proxy(tmp_path / "c", forward_proxy)
        found = checks.close_paths(layout, lab)
    assert found == {"direct": "ECONNREFUSED", "forbidden": "403"}
    assert lab.closed == [str(place.at.ip) for place in layout.places if place.role == "service"]
    assert forward_proxy.asked[0].target == "http://198.19.255.254:80/"


def test_a_service_that_is_reached_past_the_proxy_is_a_failure(tmp_path: Path, stack: ExitStack) -> None:
    made = proxied(tmp_path / "c", FakeForwardProxy(tmp_path))
    direct = set_bench(tmp_path / "d", members=made.members)
    deployed(direct, stack)
    with web.service(lambda _: web.reply(403, "")) as forward_proxy:
        layout = layout_of(made)
        way = type(layout.way)(forward_proxy=("127.0.0.1", forward_proxy.port))
        open_one = replace(layout, way=way)
        with pytest.raises(LoadError, match="reaches the service without the proxy"):
            checks.close_paths(open_one, ClosedLab())


def test_a_proxy_that_lets_everything_through_is_a_failure(tmp_path: Path) -> None:
    with web.service(lambda _: web.reply(200, "")) as forward_proxy:
        layout = behind_a_proxy(tmp_path / "c", forward_proxy)
        with pytest.raises(LoadError, match="answered 200 for a host that it must not reach, expected 403"):
            checks.close_paths(layout, ClosedLab())


def test_without_a_forward_proxy_or_a_bridge_nothing_is_closed(tmp_path: Path) -> None:
    lab = ClosedLab()
    assert checks.close_paths(layout_of(set_bench(tmp_path / "c")), lab) == {}
    assert lab.closed == []
    assert checks.close_paths(layout_of(proxied(tmp_path / "d", FakeForwardProxy(tmp_path))), WideLab("tare-x")) == {}


def test_what_a_proxy_served_is_told_by_instance(tmp_path: Path, stack: ExitStack) -> None:
    proxy = FakeProxy(tmp_path)
    made = proxied(tmp_path / "c", proxy)
    deployment = deployed(made, stack)
    at = {place.name: f"{place.at.ip}:{place.service.port}" for place in deployment.layout.places}
    proxy.log = (
        f"served 200 {at['catalog']}\nserved 200 {at['payments']}\nserved 404 {at['catalog']}\nserved 200 10.9.9.9:1\n"
    )
    assert checks.served(made.variant, made.setting, deployment) == {"catalog": 2, "payments": 1, "10.9.9.9:1": 1}


def test_without_a_proxy_nothing_was_passed_on(tmp_path: Path, stack: ExitStack) -> None:
    made = set_bench(tmp_path / "c")
    assert checks.served(made.variant, made.setting, deployed(made, stack)) == {}


def telling(folder: Path, body: object, stack: ExitStack) -> Layout:
    """A set whose catalog answers with that at ``/events``, and to its readiness check as always."""

    def answer(_method: str, path: str, _body: bytes) -> tuple[int, bytes]:
        return 200, json.dumps(body).encode() if path == "/events?last=9" else b""

    target = SetTarget(answers={"catalog": answer})
    return deployed(set_bench(folder, target, topology={"propagation": "/events?last=9"}), stack).layout


def test_the_workload_tells_how_long_its_events_took(tmp_path: Path, stack: ExitStack) -> None:
    layout = telling(tmp_path / "c", {"propagation_ms": [1, 2.5], "applied": 2}, stack)
    assert checks.propagation(layout, WideLab("tare-x")) == (1.0, 2.5)


@pytest.mark.parametrize(
    "body",
    [
        [1, 2],
        {},
        *({"propagation_ms": told} for told in (3, "12", {"1": 2}, [None], ["soon"], [float("nan")], [float("inf")])),
    ],
)
def test_an_answer_that_is_not_what_the_topology_promises_is_refused(
    tmp_path: Path, stack: ExitStack, body: object
) -> None:
    layout = telling(tmp_path / "c", body, stack)
    with pytest.raises(LoadError, match=r"^GET /events\?last=9 does not tell the propagation times") as caught:
        checks.propagation(layout, WideLab("tare-x"))
    assert "propagation_ms" in caught.value.remedy
    assert "\n" not in caught.value.what


def counting(folder: Path, stack: ExitStack, body: object) -> Deployment:
    """A set whose catalog answers with that at ``/count``."""

    def answer(_method: str, path: str, _body: bytes) -> tuple[int, bytes]:
        return 200, json.dumps(body).encode() if path == "/count" else b""

    target = SetTarget(answers={"catalog": answer})
    return deployed(set_bench(folder, target, topology={"counter": "/count"}), stack)


def test_the_origins_count_is_what_it_says_itself(tmp_path: Path, stack: ExitStack) -> None:
    layout = counting(tmp_path / "c", stack, {"requests": 7, "bytes": 900}).layout
    before = checks.origin_count(layout, WideLab("tare-x"))
    assert before == OriginCount(requests=7, bytes=900)
    assert checks.since(before, OriginCount(requests=9, bytes=1000)) == OriginCount(requests=2, bytes=100)
    assert checks.since(before, None) is None
    assert checks.origin_count(layout_of(set_bench(tmp_path / "d")), WideLab("tare-x")) is None


@pytest.mark.parametrize("body", [[1], {"requests": 1}, {"requests": "many", "bytes": 1}])
def test_a_count_of_another_kind_is_refused(tmp_path: Path, stack: ExitStack, body: object) -> None:
    layout = counting(tmp_path / "c", stack, body).layout
    with pytest.raises(LoadError, match=r"^GET /count does not tell what the origin counted") as caught:
        checks.origin_count(layout, WideLab("tare-x"))
    assert "\n" not in caught.value.what


def test_one_that_promises_nothing_is_not_asked(tmp_path: Path) -> None:
    assert checks.propagation(layout_of(set_bench(tmp_path / "c")), WideLab("tare-x")) == ()
