"""What may be asked of a proxy, what it refuses, and the service that it becomes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.artifacts.api import Artifact, ImageConfig
from harness.errors import SpecError
from harness.proxies import api, caching
from harness.proxies.api import Certificate, Route, Upstream
from harness.proxies.registry import FRONTS, make
from harness.spec.front import FrontSpec
from harness.spec.service import Readiness, ServiceSpec

WITH_TLS = [name for name, front in FRONTS.items() if front.tls_port]
CERTIFICATE = Certificate("THE CHAIN\n", "THE KEY\n", "THE AUTHORITY\n")


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


def upstreams(count: int, service: int = 0) -> tuple[Upstream, ...]:
    return tuple(Upstream(f"svc-{number}", f"198.18.{service}.{10 + number}", 8000) for number in range(count))


@pytest.mark.parametrize("name", FRONTS)
@given(names=st.lists(st.text(max_size=20), min_size=2, max_size=2))
def test_what_an_upstream_is_called_changes_nothing(name: str, names: list[str]) -> None:
    front = make(name)
    first, second = ([Route("/", (replace(upstreams(1)[0], name=called),))] for called in names)
    spec = caching.with_size(FrontSpec(kind=name), None) if front.policies else FrontSpec(kind=name)
    assert front.render(spec, first, None) == front.render(spec, second, None)


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


def test_active_checks_are_for_those_that_have_them() -> None:
    for name, kind in FRONTS.items():
        if not kind.checks:
            with pytest.raises(SpecError, match="has no active health checks"):
                make(name).front_service(FrontSpec(kind=name, check_s=0.5), [Route("/", upstreams(1))])
