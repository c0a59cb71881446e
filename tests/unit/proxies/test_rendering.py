"""Configurations, read as the proxies read them: every path goes where the topology says, and nowhere else."""

from __future__ import annotations

import string
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harness.artifacts.api import Artifact, ImageConfig
from harness.errors import SpecError
from harness.proxies import api
from harness.proxies.api import Certificate, Front, Route, Upstream
from harness.proxies.registry import FRONTS, make
from harness.proxies.squid.forward import destination
from harness.spec.front import FrontSpec
from harness.spec.route import is_below
from harness.spec.service import Readiness, ServiceSpec
from tests.unit.proxies import evaluate

EVALUATE: dict[str, Callable[[str, str], evaluate.Places | None]] = {
    "nginx": evaluate.nginx,
    "haproxy": evaluate.haproxy,
    "nginx-cache": evaluate.nginx,
    "varnish": evaluate.varnish,
    "squid-cache": evaluate.squid_cache,
    "trafficserver": evaluate.trafficserver,
}
REVERSE = [name for name, front in FRONTS.items() if not front.forward]
PLAIN = [name for name in REVERSE if not FRONTS[name].policies]
WITH_TLS = [name for name, front in FRONTS.items() if front.tls_port]
CERTIFICATE = Certificate("THE CHAIN\n", "THE KEY\n", "THE AUTHORITY\n")

SEGMENTS = st.text(string.ascii_letters + string.digits + "._~!$&'()*+,;=:@%-", min_size=1, max_size=4)
PREFIXES = st.builds(
    lambda parts, slash: "/" + "/".join(parts) + ("/" if slash and parts else ""),
    st.lists(SEGMENTS, max_size=2),
    st.booleans(),
)
UPSTREAMS = st.builds(
    Upstream, st.text(max_size=9), st.builds(str, st.ip_addresses(v=4)), st.integers(min_value=1, max_value=65_535)
)
GROUPS = st.lists(UPSTREAMS, min_size=1, max_size=4, unique_by=lambda upstream: upstream.address).map(tuple)
ROUTES = st.lists(st.builds(Route, PREFIXES, GROUPS), min_size=1, max_size=5, unique_by=lambda route: route.prefix)
SUFFIXES = st.sampled_from(["", "/", "x", "/x", "?x=/", "/x?y", "?"])


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[ServiceSpec]:
    """Nothing is built; the services that were asked for."""
    asked: list[ServiceSpec] = []

    def build(name: str, _suite: str, _packages: tuple[str, ...], service: ServiceSpec, source: str) -> Artifact:
        asked.append(service)
        return Artifact(
            name, "sha256:0", Path("/nowhere"), ImageConfig(service.argv, tuple(service.env.items())), source
        )

    monkeypatch.setattr(api, "build_packages", build)
    return asked


def config_of(front: Front, routes: list[Route], spec: FrontSpec | None = None) -> str:
    """All of its files."""
    return "\n".join(front.render(spec or FrontSpec(kind=front.name), routes, None).files.values())


def upstreams(count: int, service: int = 0) -> tuple[Upstream, ...]:
    return tuple(Upstream(f"svc-{number}", f"198.18.{service}.{10 + number}", 8000) for number in range(count))


@pytest.mark.parametrize("name", REVERSE)
@given(routes=ROUTES, suffix=SUFFIXES, data=st.data())
def test_every_path_goes_to_exactly_the_upstreams_of_its_longest_prefix(
    name: str, routes: list[Route], suffix: str, data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from(routes)).prefix + suffix
    assume(name != "squid-cache" or not any("%" in route.prefix for route in routes))
    matching = [route for route in routes if is_below(path, route.prefix)]
    expected = max(matching, key=lambda route: len(route.prefix)).upstreams if matching else None
    found = EVALUATE[name](config_of(make(name), routes), path)
    assert found == (None if expected is None else tuple(upstream.address for upstream in expected))


@pytest.mark.parametrize("name", FRONTS)
@given(names=st.lists(st.text(max_size=20), min_size=2, max_size=2))
def test_what_an_upstream_is_called_changes_nothing(name: str, names: list[str]) -> None:
    front = make(name)
    first, second = ([Route("/", (replace(upstreams(1)[0], name=called),))] for called in names)
    assert config_of(front, first) == config_of(front, second)


@pytest.mark.parametrize(
    ("host", "port"), [("", 80), ("a;b", 80), ("::1", 80), ("198.18.0.1", 0), ("198.18.0.1", 65_536)]
)
def test_an_upstream_is_an_address_and_a_port(host: str, port: int) -> None:
    with pytest.raises(ValueError, match=r"Expected|Address|Only|port"):
        Upstream("svc", host, port)


@pytest.mark.parametrize("name", FRONTS)
@pytest.mark.parametrize("routes", [[], [Route("/", ())], [Route("/", upstreams(1)), Route("/x", ())]])
def test_a_front_without_upstreams_is_refused(name: str, routes: list[Route], built: list[ServiceSpec]) -> None:
    with pytest.raises(SpecError, match="no upstreams"):
        make(name).front_service(FrontSpec(kind=name), routes)
    assert built == []


@pytest.mark.parametrize("name", FRONTS)
@pytest.mark.parametrize("prefix", ["", "x", "/a b", "/a\nb", '/a"b', "/a?b", "/a#b", "/a\\b", "/a{b", "/ä"])
def test_a_prefix_that_is_no_path_is_refused(name: str, prefix: str, built: list[ServiceSpec]) -> None:
    with pytest.raises(SpecError, match="cannot route"):
        make(name).front_service(FrontSpec(kind=name), [Route(prefix, upstreams(1))])
    assert built == []


def test_one_prefix_has_one_route(built: list[ServiceSpec]) -> None:
    with pytest.raises(SpecError, match="twice"):
        make("nginx").front_service(FrontSpec(kind="nginx"), [Route("/", upstreams(1)), Route("/", upstreams(2))])
    assert built == []


def test_a_forward_proxy_takes_one_instance_of_each_service(built: list[ServiceSpec]) -> None:
    squid = make("squid")
    squid.front_service(FrontSpec(kind="squid"), [Route("/a", upstreams(1)), Route("/b", upstreams(1, 1))])
    assert len(built) == 1
    with pytest.raises(SpecError, match="2 upstreams"):
        squid.front_service(FrontSpec(kind="squid"), [Route("/", upstreams(2))])


@pytest.mark.parametrize(
    ("name", "given_", "complaint"),
    [
        ("squid", {"tls": True}, "no TLS"),
        ("nginx", {"tls": True}, "needs a certificate"),
        ("haproxy", {"allow": ("198.18.0.1",)}, "no allow list"),
        ("varnish", {"balance": "least-connections"}, "cannot balance by least-connections"),
        ("varnish", {"tls": True}, "no TLS"),
        ("squid-cache", {"tls": True}, "no TLS"),
        ("trafficserver", {"balance": "least-connections"}, "cannot balance by least-connections"),
    ],
)
def test_what_a_front_cannot_do_is_refused(
    name: str, given_: dict[str, object], complaint: str, built: list[ServiceSpec]
) -> None:
    with pytest.raises(SpecError, match=complaint):
        make(name).front_service(FrontSpec.model_validate({"kind": name, **given_}), [Route("/", upstreams(1))])
    assert built == []


def test_an_unknown_front_is_told_with_the_known_ones() -> None:
    with pytest.raises(SpecError) as refused:
        make("apache")
    assert "apache" in refused.value.what
    assert all(name in refused.value.remedy for name in FRONTS)


@pytest.mark.parametrize("name", FRONTS)
def test_its_service_runs_unprivileged_and_is_ready_as_asked(name: str, built: list[ServiceSpec]) -> None:
    ready = Readiness(path="/health")
    front = make(name)
    made = front.front_service(FrontSpec(kind=name), [Route("/", upstreams(1))], ready=ready)
    assert built == [made.spec]
    assert made.artifact.config.argv == made.spec.argv
    assert (made.spec.port, made.spec.ready, made.spec.user) == (front.port, ready, front.user)
    assert made.spec.user not in (None, "", "root", "0")


@pytest.mark.parametrize("name", WITH_TLS)
def test_the_key_reaches_the_front_and_is_not_kept(name: str, built: list[ServiceSpec]) -> None:
    front = make(name)
    made = front.front_service(FrontSpec(kind=name, tls=True), [Route("/", upstreams(1))], CERTIFICATE)
    assert made.spec.port == front.tls_port
    assert any("THE KEY" in value for value in built[0].env.values())
    assert any("THE CHAIN" in value for value in built[0].env.values())
    assert "THE KEY" not in "".join(made.files.values()) + "".join(made.spec.argv) + repr(CERTIFICATE)
    plain = front.front_service(FrontSpec(kind=name), [Route("/", upstreams(1))], CERTIFICATE)
    assert "THE KEY" not in "".join(plain.spec.env.values())


@pytest.mark.parametrize("name", PLAIN)
def test_what_the_experiment_sets_is_rendered(name: str) -> None:
    front, routes = make(name), [Route("/", upstreams(3))]
    spec = FrontSpec(kind=name, balance="least-connections", keepalive=7, max_fails=4, fail_timeout_s=2.5)
    words = config_of(front, routes, spec).replace(";", " ").split()
    wanted = {
        "nginx": {"least_conn", "keepalive", "21", "max_fails=4", "fail_timeout=3s"},
        "haproxy": {"leastconn", "pool-max-conn", "7", "error-limit", "4", "fastinter", "downinter", "3s"},
    }
    assert wanted[name] <= set(words)
    none = config_of(front, routes, FrontSpec(kind=name, keepalive=0, max_fails=0))
    assert not {"keepalive", "observe", "pool-max-conn", "check"} & set(none.split())
    assert {"nginx": "max_fails=0", "haproxy": "http-server-close"}[name] in none


def test_haproxy_counts_nothing_of_a_single_upstream() -> None:
    assert "observe" not in config_of(make("haproxy"), [Route("/", upstreams(1))])
    assert "observe" in config_of(make("haproxy"), [Route("/", upstreams(2))])


def test_active_checks_are_haproxys_alone() -> None:
    routes = [Route("/", upstreams(2))]
    assert "inter 1d" in config_of(make("haproxy"), routes)
    checked = config_of(make("haproxy"), routes, FrontSpec(kind="haproxy", check_s=0.5))
    assert "check inter 500ms fastinter 500ms downinter 500ms" in checked
    for name in FRONTS.keys() - {"haproxy"}:
        with pytest.raises(SpecError, match="has no active health checks"):
            make(name).front_service(FrontSpec(kind=name, check_s=0.5), [Route("/", upstreams(1))])


@given(st.lists(UPSTREAMS, min_size=1, max_size=4), UPSTREAMS)
def test_squid_lets_clients_through_to_the_upstreams_alone(allowed: list[Upstream], asked: Upstream) -> None:
    routes = [Route(f"/{number}", (upstream,)) for number, upstream in enumerate(allowed)]
    config = config_of(make("squid"), routes)
    known = {upstream.address for upstream in allowed}
    assert evaluate.squid(config, asked.host, asked.port) == (asked.address in known)
    for upstream in allowed:
        assert evaluate.squid(config, upstream.host, upstream.port)
        assert not evaluate.squid(config, upstream.host, upstream.port, "CONNECT")
        other = upstream.port % 65_535 + 1
        assume(f"{upstream.host}:{other}" not in known)
        assert not evaluate.squid(config, upstream.host, other)


def test_squids_allow_list_replaces_the_upstreams() -> None:
    spec = FrontSpec(kind="squid", allow=("198.18.9.0/24", "198.18.7.7:81", "shop.example", ".inner.example:8000"))
    config = config_of(make("squid"), [Route("/", upstreams(1))], spec)
    for host, port in (("198.18.9.1", 1), ("198.18.7.7", 81), ("shop.example", 99), ("a.inner.example", 8000)):
        assert evaluate.squid(config, host, port)
    for host, port in (("198.18.0.10", 8000), ("198.18.7.7", 80), ("a.shop.example", 80), ("a.inner.example", 80)):
        assert not evaluate.squid(config, host, port)


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
