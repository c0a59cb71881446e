"""Where the proxies stand in a geography, whom each asks, and where the clients of each region are sent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import DeployError, SpecError
from harness.spec.route import Route
from harness.trial.arrangement import lay_out
from harness.trial.layout import Layout
from harness.trial.points_of_presence import CA_FILE
from tests.support.fake_regions import CATALOGUE, GEOGRAPHY, FakeCache, FarLab, StillCore, cdn_bench
from tests.support.fake_sets import FakeProxy, SetBench, WideLab


def laid_out(made: SetBench, number: int = 0) -> tuple[Layout, FarLab]:
    geography = made.spec.geography
    assert geography is not None
    lab = FarLab("tare-x", geography, StillCore())
    return lay_out(made.spec.variants[number], made.setting, lab, made.path), lab


def at(layout: Layout, name: str) -> Route:
    (place,) = layout.places_of(name)
    return Route("/", str(place.at.ip), place.service.port)


def test_without_a_proxy_every_region_goes_to_the_origin(tmp_path: Path) -> None:
    found, lab = laid_out(cdn_bench(tmp_path / "c", None))
    assert lab.given == [("origin", "near")]
    assert {region.name: (region.weight, region.entries) for region in found.regions} == {
        "near": (2, (found.direct,)), "far": (1, (found.direct,)), "farther": (1, (found.direct,)),
    }  # fmt: skip
    assert {region.name: region.netns for region in found.regions} == lab.clients
    assert [region.home for region in found.regions] == [True, True, True]
    assert (found.routes, found.proxies, found.caches) == (found.direct, (), ())


def test_a_proxy_that_caches_stands_in_every_region_and_clients_go_to_the_nearest(tmp_path: Path) -> None:
    found, lab = laid_out(cdn_bench(tmp_path / "c", FakeCache(tmp_path)))
    names = ["proxy-near", "proxy-far", "proxy-farther"]
    assert lab.given == [("origin", "near"), *((name, name.removeprefix("proxy-")) for name in names)]
    assert [place.name for place in found.proxies] == names
    assert {(place.service_name, place.role) for place in found.proxies} == {("proxy", "proxy")}
    entries = {region.name: [entry[0] for entry in region.entries] for region in found.regions}
    assert entries["near"] == [at(found, name) for name in ("proxy-near", "proxy-far", "proxy-farther")]
    assert entries["far"] == [at(found, name) for name in ("proxy-far", "proxy-near", "proxy-farther")]
    assert entries["farther"] == [at(found, name) for name in ("proxy-farther", "proxy-far", "proxy-near")]
    assert found.routes == (at(found, "proxy-near"),)
    assert found.direct == (at(found, "origin"),)
    origin = at(found, "origin")
    for name in names:
        assert f"host='{origin.ip}', port={origin.port}" in found.files[f"{name}-proxy.conf"]
        (place,) = found.places_of(name)
        assert place.ask == (str(place.at.ip), place.service.port)


def test_points_of_presence_may_be_in_some_regions_alone(tmp_path: Path) -> None:
    geography = {**GEOGRAPHY, "pops": ["far"]}
    found, _ = laid_out(cdn_bench(tmp_path / "c", FakeCache(tmp_path), geography=geography))
    assert [place.name for place in found.proxies] == ["proxy-far"]
    assert {region.entries for region in found.regions} == {((at(found, "proxy-far"),),)}
    assert {region.name: region.home for region in found.regions} == {"near": False, "far": True, "farther": False}


def test_who_asks_for_the_whole_stands_where_the_way_leads_to(tmp_path: Path) -> None:
    geography = {**GEOGRAPHY, "pops": ["farther"]}
    found, _ = laid_out(cdn_bench(tmp_path / "c", FakeCache(tmp_path), geography=geography))
    clients = {"origin": "client-near", "proxy-farther": "client-farther"}
    known = tuple(replace(place, at=replace(place.at, client=clients[place.name])) for place in found.places)
    assert replace(found, places=known).client == "client-farther"
    assert replace(found, places=known, routes=found.direct).client == "client-near"


def test_behind_a_shield_it_alone_asks_the_origin(tmp_path: Path) -> None:
    geography = {**GEOGRAPHY, "pops": ["far", "farther"], "shield": "near"}
    found, lab = laid_out(cdn_bench(tmp_path / "c", FakeCache(tmp_path), geography=geography))
    assert lab.given[1:] == [("proxy-shield", "near"), ("proxy-far", "far"), ("proxy-farther", "farther")]
    origin, shield = at(found, "origin"), at(found, "proxy-shield")
    assert f"host='{origin.ip}'" in found.files["proxy-shield-proxy.conf"]
    for name in ("proxy-far", "proxy-farther"):
        assert f"host='{shield.ip}', port={shield.port}" in found.files[f"{name}-proxy.conf"]
    assert [cache.instance for cache in found.caches] == ["proxy-shield", "proxy-far", "proxy-farther"]
    assert shield not in {entry[0] for region in found.regions for entry in region.entries}


def test_a_proxy_that_caches_nothing_stands_with_the_origin(tmp_path: Path) -> None:
    found, lab = laid_out(cdn_bench(tmp_path / "c", FakeProxy(tmp_path)))
    assert lab.given == [("origin", "near"), ("proxy", "near")]
    assert {region.entries for region in found.regions} == {((at(found, "proxy"),),)}
    assert list(found.files) == ["proxy.conf"]
    assert found.caches == ()


def test_without_a_geography_a_cache_is_a_proxy_like_any(tmp_path: Path) -> None:
    made = cdn_bench(tmp_path / "c", FakeCache(tmp_path), geography=None)
    found = lay_out(made.variant, made.setting, WideLab("tare-x"), made.path)
    assert [place.name for place in found.proxies] == ["proxy"]
    assert (found.routes, found.regions) == ((at(found, "proxy"),), ())
    assert [cache.instance for cache in found.caches] == ["proxy"]


@pytest.mark.parametrize(
    ("spec", "matrix", "name", "size", "share"),
    [
        ({"cache": {"size_mib": 0.5, "policy": "fifo"}}, {}, "shop-fake-fakecache", 524_288, None),
        ({"cache": {"size_share": 0.1, "policy": "fifo"}}, {}, "shop-fake-fakecache", 10_000, 0.1),
        (
            {"cache": {"size_share": 0.1, "policy": "fifo"}}, {"cache_shares": [0.02]}, "shop-fake-fakecache-2pc",
            2000, 0.02,
        ),
    ],
)  # fmt: skip
def test_what_each_cache_holds_is_kept(
    tmp_path: Path, spec: dict[str, object], matrix: dict[str, object], name: str, size: int, share: float | None
) -> None:
    made = cdn_bench(tmp_path / "c", FakeCache(tmp_path), spec=spec, matrix=matrix, baseline=name)
    found, _ = laid_out(made)
    assert len(found.caches) == 3
    cache = found.caches[1]
    assert (cache.instance, cache.kind, cache.policy) == ("proxy-far", "fakecache", "fifo")
    assert (cache.size_bytes, cache.share) == (size, share)
    # Of each object of 1,000 bytes the cache keeps 250 more.
    assert cache.effective_bytes == round(size * 1000 / 1250)


def test_without_a_catalogue_what_it_holds_is_not_known_and_a_share_is_of_nothing(tmp_path: Path) -> None:
    made = cdn_bench(tmp_path / "c", FakeCache(tmp_path))
    made.catalogue = None
    assert {cache.effective_bytes for cache in laid_out(made)[0].caches} == {None}
    shared = cdn_bench(tmp_path / "d", FakeCache(tmp_path), spec={"cache": {"size_share": 0.1}})
    shared.catalogue = None
    with pytest.raises(SpecError, match="share of a catalogue"):
        laid_out(shared)


def test_clients_trust_the_authority_of_every_place(tmp_path: Path) -> None:
    geography = {**GEOGRAPHY, "shield": "near"}
    made = cdn_bench(tmp_path / "c", FakeCache(tmp_path), spec={"tls": True}, geography=geography)
    found, _ = laid_out(made)
    assert (made.path / CA_FILE).read_text().count("BEGIN CERTIFICATE") == 3
    assert found.way.tls_ca == str(made.path / CA_FILE)
    ways = {place.name: place.way.tls_ca for place in found.proxies}
    assert [name for name, tls_ca in ways.items() if tls_ca is None] == ["proxy-shield"]


def test_regions_need_a_lab_that_has_them(tmp_path: Path) -> None:
    for proxy in (None, FakeCache(tmp_path), FakeProxy(tmp_path)):
        made = cdn_bench(tmp_path / str(proxy), proxy)
        with pytest.raises(DeployError, match="Regions need the lab's bridges"):
            lay_out(made.variant, made.setting, WideLab("tare-x"), made.path)


def test_the_catalogue_of_these_tests_is_round() -> None:
    assert (CATALOGUE.bytes, CATALOGUE.mean_bytes) == (100_000, 1000)
