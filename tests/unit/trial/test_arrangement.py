"""Who stands where: order, places, rendered environments, replicas, and the way through a proxy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import DeployError, SpecError
from harness.lab.bridged import LoopbackLab
from harness.proxies import certificates
from harness.proxies.api import Certificate
from harness.spec.route import Route, Way
from harness.trial.arrangement import lay_out, most_replicas
from harness.trial.layout import DeploymentUnit, Layout
from harness.trial.points_of_presence import CA_FILE
from tests.support.fake_sets import (
    FakeForwardProxy,
    FakeProxy,
    SetBench,
    SetTarget,
    WideLab,
    chain,
    member,
    set_bench,
)


class Orchestra(SetTarget):
    """Keeps all replicas of a service itself."""

    orchestrates = True


def proxy_of(layout: Layout) -> DeploymentUnit:
    """Its only proxy."""
    (place,) = layout.proxies
    return place


def laid_out(made: SetBench, *, replicas: int = 1, number: int = 0, lab: WideLab | None = None) -> Layout:
    variant = replace(made.spec.variants[number], replicas=replicas)
    return lay_out(variant, made.setting, lab or WideLab("tare-x"), made.path)


def proxied(folder: Path, proxy: FakeProxy, certificate: Certificate | None = None, **changes: object) -> SetBench:
    """A bench whose variants have that proxy, and TLS if there is a certificate."""
    table = {proxy.name: {"kind": proxy.name, "tls": certificate is not None, **changes}}
    made = set_bench(folder, matrix={"proxies": [proxy.name]}, proxies=table, baseline=f"shop-fake-{proxy.name}")
    made.proxies[proxy.name] = proxy
    if certificate is not None:
        made.certificates[proxy.name] = certificate
    return made


def test_each_service_comes_after_those_that_it_needs(tmp_path: Path) -> None:
    lab = WideLab("tare-x")
    made = set_bench(tmp_path / "c")
    found = laid_out(made, lab=lab)
    assert [place.name for place in found.places] == ["broker", "catalog", "payments"] == lab.given
    assert {place.role for place in found.places} == {"service"}
    assert [place.at.prefix for place in found.places] == ["tare-x-broker", "tare-x-catalog", "tare-x-payments"]
    assert (found.proxies, found.way, found.files, found.first) == ((), Way(), {}, ())
    assert (found.direct, found.regions, found.caches) == (found.routes, (), ())


def test_clients_are_led_to_the_first_instance_of_each_routed_service(tmp_path: Path) -> None:
    found = laid_out(set_bench(tmp_path / "c"))
    at = {place.name: (str(place.at.ip), place.service.port) for place in found.places}
    assert found.routes == (Route("/pay", *at["payments"]), Route("/", *at["catalog"]))


def test_the_places_of_others_are_told_in_the_environment_and_nothing_else_is_changed(tmp_path: Path) -> None:
    env = {"BROKER": "nats://${broker.address}", "WHERE": "${catalog.host}:${catalog.port}", "COST": "$5 ${HOME}"}
    found = laid_out(set_bench(tmp_path / "c", members=chain(payments={"env": env})))
    at = {place.name: f"{place.at.ip}:{place.service.port}" for place in found.places}
    told = dict(found.places[-1].service.env)
    assert told["BROKER"] == f"nats://{at['broker']}"
    assert told["WHERE"] == at["catalog"]
    assert (told["COST"], told["HOME"]) == ("$5 ${HOME}", "/")


def test_readiness_is_asked_at_the_port_that_it_names(tmp_path: Path) -> None:
    made = set_bench(tmp_path / "c", members=chain(broker={"ready": {"path": "/healthz", "port": 8222}}))
    broker, catalog, _ = laid_out(made).places
    assert broker.ask == (str(broker.at.ip), 8222)
    assert catalog.ask == (str(catalog.at.ip), catalog.service.port)


def test_replicas_are_instances_of_their_own_without_an_orchestrator(tmp_path: Path) -> None:
    found = laid_out(set_bench(tmp_path / "c"), replicas=2)
    names = ["broker", "catalog", "catalog-2", "payments", "payments-2"]
    assert [place.name for place in found.places] == names
    assert {place.service.replicas for place in found.places} == {1}
    assert len({place.at.ip for place in found.places}) == len(names)
    assert [place.name for place in found.places_of("catalog")] == ["catalog", "catalog-2"]


def test_an_orchestrator_gets_all_replicas_at_once_and_places_for_those_to_come(tmp_path: Path) -> None:
    scale = {"kind": "scale", "service": "catalog", "replicas": 5}
    made = set_bench(tmp_path / "c", Orchestra(), events=[scale])
    broker, catalog, payments = laid_out(made, replicas=2).places
    assert [(place.service.replicas, len(place.addresses)) for place in (broker, catalog, payments)] == [
        (1, 1), (2, 5), (2, 2),
    ]  # fmt: skip
    many = replace(made.variant, replicas=7)
    assert most_replicas(many, "catalog", made.setting) == 7
    assert most_replicas(many, "broker", made.setting) == 1


def test_a_placement_gives_a_service_a_target_of_its_own(tmp_path: Path) -> None:
    made = set_bench(
        tmp_path / "c", SetTarget(), SetTarget(name="other"),
        matrix={"targets": ["mixed"]}, baseline="shop-mixed",
        placements={"mixed": {"default": "fake", "payments": "other"}},
    )  # fmt: skip
    assert {place.name: place.target.name for place in laid_out(made).places} == {
        "broker": "fake", "catalog": "fake", "payments": "other",
    }  # fmt: skip


def test_a_proxy_comes_last_and_everything_goes_through_it(tmp_path: Path) -> None:
    proxy = FakeProxy(tmp_path)
    found = laid_out(proxied(tmp_path / "c", proxy), replicas=2)
    place = proxy_of(found)
    assert place is found.places[-1]
    assert (place.name, place.role, place.service.port) == ("proxy", "proxy", proxy.port)
    assert found.routes == (Route("/", str(place.at.ip), proxy.port),)
    assert place.ask == (str(place.at.ip), proxy.port)
    assert (found.way, list(found.files)) == (Way(), ["proxy.conf"])
    # Every replica of what it routes to is an upstream, by its instance's name.
    for name in ("payments", "payments-2", "catalog", "catalog-2"):
        assert f"name='{name}'" in found.files["proxy.conf"]
    assert "broker" not in found.files["proxy.conf"]


def test_a_proxies_readiness_is_that_of_the_first_routed_service_below_its_prefix(tmp_path: Path) -> None:
    made = proxied(tmp_path / "c", FakeProxy(tmp_path))
    made.members = chain(payments={"ready": {"path": "/health", "port": 9000, "body_contains": "ok"}})
    place = proxy_of(laid_out(made))
    ready = place.service.ready
    # The service's own port is nothing that the proxy listens on.
    assert (ready.path, ready.port, ready.body_contains) == ("/pay/health", None, "ok")


def test_behind_a_forward_proxy_clients_still_name_the_services(tmp_path: Path) -> None:
    proxy = FakeForwardProxy(tmp_path)
    found = laid_out(proxied(tmp_path / "c", proxy))
    place = proxy_of(found)
    at = {each.name: (str(each.at.ip), each.service.port) for each in found.places}
    assert found.routes == (Route("/pay", *at["payments"]), Route("/", *at["catalog"]))
    assert found.way == place.way == Way(forward_proxy=at["proxy"])
    assert place.ask == at["payments"]


def test_tls_is_with_the_users_certificate_or_with_one_made_for_the_place(tmp_path: Path) -> None:
    users = certificates.make("127.0.0.1", days=1)
    given = proxied(tmp_path / "given", FakeProxy(tmp_path), users)
    own = proxied(tmp_path / "own", FakeProxy(tmp_path), users)
    own.certificates.clear()
    for made, same in ((given, True), (own, False)):
        assert laid_out(made).way == Way(tls_ca=str(made.path / CA_FILE))
        assert ((made.path / CA_FILE).read_text() == users.ca_pem) is same


def test_what_a_proxy_cannot_do_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="spreads no load, but /pay has 2 upstreams"):
        laid_out(proxied(tmp_path / "c", FakeForwardProxy(tmp_path)), replicas=2)
    with pytest.raises(SpecError, match="is no forward proxy: it has no allow list"):
        laid_out(proxied(tmp_path / "d", FakeProxy(tmp_path), allow=["example.org"]))


def test_an_orchestrators_replicas_need_a_lab_with_room(tmp_path: Path) -> None:
    made = set_bench(tmp_path / "c", Orchestra(), members={"catalog": member()}, topology={"routes": {"/": "catalog"}})
    with pytest.raises(DeployError, match="Replicas need the lab's bridge"):
        lay_out(replace(made.variant, replicas=2), made.setting, LoopbackLab("tare-x"), tmp_path)
