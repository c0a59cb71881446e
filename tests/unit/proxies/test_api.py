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
from harness.proxies.registry import PROXIES, make
from harness.spec.proxy import ProxySpec
from harness.spec.service import Readiness, ServiceSpec

WITH_TLS = [name for name, proxy in PROXIES.items() if proxy.tls_port]
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


@pytest.mark.parametrize("name", PROXIES)
@given(names=st.lists(st.text(max_size=20), min_size=2, max_size=2))
def test_what_an_upstream_is_called_changes_nothing(name: str, names: list[str]) -> None:
    proxy = make(name)
    first, second = ([Route("/", (replace(upstreams(1)[0], name=called),))] for called in names)
    spec = caching.with_size(ProxySpec(kind=name), None) if proxy.policies else ProxySpec(kind=name)
    assert proxy.render(spec, first, None) == proxy.render(spec, second, None)


@pytest.mark.parametrize(
    ("host", "port"), [("", 80), ("a;b", 80), ("::1", 80), ("198.18.0.1", 0), ("198.18.0.1", 65_536)]
)
def test_an_upstream_is_an_address_and_a_port(host: str, port: int) -> None:
    with pytest.raises(ValueError, match=r"Expected|Address|Only|port"):
        Upstream("svc", host, port)


@pytest.mark.parametrize("name", PROXIES)
@pytest.mark.parametrize("routes", [[], [Route("/", ())], [Route("/", upstreams(1)), Route("/x", ())]])
def test_a_proxy_without_upstreams_is_refused(name: str, routes: list[Route], built: list[ServiceSpec]) -> None:
    with pytest.raises(SpecError, match="no upstreams"):
        make(name).proxy_service(ProxySpec(kind=name), routes)
    assert built == []


@pytest.mark.parametrize("name", PROXIES)
@pytest.mark.parametrize("prefix", ["", "x", "/a b", "/a\nb", '/a"b', "/a?b", "/a#b", "/a\\b", "/a{b", "/ä"])
def test_a_prefix_that_is_no_path_is_refused(name: str, prefix: str, built: list[ServiceSpec]) -> None:
    with pytest.raises(SpecError, match="cannot route"):
        make(name).proxy_service(ProxySpec(kind=name), [Route(prefix, upstreams(1))])
    assert built == []


def test_one_prefix_has_one_route(built: list[ServiceSpec]) -> None:
    with pytest.raises(SpecError, match="twice"):
        make("nginx").proxy_service(ProxySpec(kind="nginx"), [Route("/", upstreams(1)), Route("/", upstreams(2))])
    assert built == []


def test_a_forward_proxy_takes_one_instance_of_each_service(built: list[ServiceSpec]) -> None:
    squid = make("squid")
    squid.proxy_service(ProxySpec(kind="squid"), [Route("/a", upstreams(1)), Route("/b", upstreams(1, 1))])
    assert len(built) == 1
    with pytest.raises(SpecError, match="2 upstreams"):
        squid.proxy_service(ProxySpec(kind="squid"), [Route("/", upstreams(2))])


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
def test_what_a_proxy_cannot_do_is_refused(
    name: str, given_: dict[str, object], complaint: str, built: list[ServiceSpec]
) -> None:
    with pytest.raises(SpecError, match=complaint):
        make(name).proxy_service(ProxySpec.model_validate({"kind": name, **given_}), [Route("/", upstreams(1))])
    assert built == []


def test_an_unknown_proxy_is_told_with_the_known_ones() -> None:
    with pytest.raises(SpecError) as refused:
        make("apache")
    assert "apache" in refused.value.what
    assert all(name in refused.value.remedy for name in PROXIES)


@pytest.mark.parametrize("name", PROXIES)
def test_its_service_runs_unprivileged_and_is_ready_as_asked(name: str, built: list[ServiceSpec]) -> None:
    ready = Readiness(path="/health")
    proxy = make(name)
    made = proxy.proxy_service(ProxySpec(kind=name), [Route("/", upstreams(1))], ready=ready)
    assert built == [made.spec]
    assert made.artifact.config.argv == made.spec.argv
    assert (made.spec.port, made.spec.ready, made.spec.user) == (proxy.port, ready, proxy.user)
    assert made.spec.user not in (None, "", "root", "0")


@pytest.mark.parametrize("name", WITH_TLS)
def test_the_key_reaches_the_proxy_and_is_not_kept(name: str, built: list[ServiceSpec]) -> None:
    proxy = make(name)
    made = proxy.proxy_service(ProxySpec(kind=name, tls=True), [Route("/", upstreams(1))], CERTIFICATE)
    assert made.spec.port == proxy.tls_port
    assert any("THE KEY" in value for value in built[0].env.values())
    assert any("THE CHAIN" in value for value in built[0].env.values())
    assert "THE KEY" not in "".join(made.files.values()) + "".join(made.spec.argv) + repr(CERTIFICATE)
    plain = proxy.proxy_service(ProxySpec(kind=name), [Route("/", upstreams(1))], CERTIFICATE)
    assert "THE KEY" not in "".join(plain.spec.env.values())


def test_active_checks_are_for_those_that_have_them() -> None:
    for name, kind in PROXIES.items():
        if not kind.checks:
            with pytest.raises(SpecError, match="has no active health checks"):
                make(name).proxy_service(ProxySpec(kind=name, check_s=0.5), [Route("/", upstreams(1))])
