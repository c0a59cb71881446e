"""What regions, caches and sequences cannot be is refused in one line, before anything is built."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.errors import ExitCode, SpecError
from harness.planning.validate import proxy_names, validate_deployable
from harness.proxies.api import Proxy
from harness.proxies.registry import PROXIES
from harness.simulation.catalogue import Catalogue
from harness.spec.experiment import Experiment
from harness.spec.topology import Topology
from tests.support.fake_campaign import experiment
from tests.support.fake_regions import CATALOGUE, GEOGRAPHY, SEQUENCE, FakeCache

TOPOLOGIES = {"single": Topology(services=("origin",), routes={"/": "origin"})}


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds: dict[str, type[Proxy]] = {FakeCache.name: FakeCache}
    monkeypatch.setitem(PROXIES, FakeCache.name, kinds[FakeCache.name])


def asked(*proxies: str, target: str = "process", shares: Sequence[float] = (), **changes: object) -> Experiment:
    names = list(proxies) or [FakeCache.name]
    matrix = {"targets": [target], "proxies": names, "cache_shares": list(shares)}
    first = [target]
    if names[0] != "direct":
        first += [names[0], *(f"{share:.0%}".replace("%", "pc") for share in shares[:1])]
    return experiment([target], matrix=matrix, baseline="-".join(first), **changes)


def refused(spec: Experiment, catalogue: Catalogue | None = CATALOGUE) -> SpecError:
    with pytest.raises(SpecError) as caught:
        validate_deployable(spec, TOPOLOGIES, catalogue)
    assert "\n" not in caught.value.what + caught.value.remedy
    assert caught.value.remedy
    assert caught.value.exit_code is ExitCode.USAGE
    return caught.value


def cache(**changes: object) -> dict[str, object]:
    return {FakeCache.name: {"kind": FakeCache.name, **changes}}


def test_what_can_be_is_accepted() -> None:
    validate_deployable(asked("direct", "nginx", FakeCache.name, geography=GEOGRAPHY), TOPOLOGIES, None)
    validate_deployable(asked(shares=[0.1]), TOPOLOGIES, CATALOGUE)
    validate_deployable(
        asked(proxies=cache(warm=True), prefill=500, sequences={"zipf": SEQUENCE}, geography=GEOGRAPHY),
        TOPOLOGIES,
        CATALOGUE,
    )


def test_a_cache_that_could_hold_nothing_is_told_with_the_smallest_object() -> None:
    found = refused(asked(proxies=cache(cache={"size_mib": 0.0005})))
    assert "has 524 bytes, and the smallest object 1,000: it could hold nothing" in found.what


def test_a_cache_that_its_proxy_cannot_be_is_told() -> None:
    assert "cannot be as small as 52 bytes" in refused(asked(proxies=cache(cache={"size_mib": 0.00005})), None).what
    assert "no policy 'gdsf'" in refused(asked(proxies=cache(cache={"policy": "gdsf"}))).what
    plain = {"plain": {"kind": "nginx", "cache": {}}}
    assert refused(asked("plain", proxies=plain)).what.startswith("proxies.plain (process-plain): proxy nginx caches")
    warmed = {"plain": {"kind": "nginx", "warm": True}}
    warm = asked("plain", proxies=warmed, prefill=10, sequences={"zipf": SEQUENCE})
    assert "caches nothing that could be warm" in refused(warm).what


def test_shares_are_of_caches_and_of_a_catalogue() -> None:
    assert "no variant has a proxy" in refused(asked("direct", shares=[0.1])).what
    assert "nginx caches nothing, but cache_shares" in refused(asked("nginx", shares=[0.1])).what
    assert "share of a catalogue" in refused(asked(shares=[0.1]), None).what


def test_sequences_ask_for_objects_that_there_are(tmp_path: Path) -> None:
    assert "sequences ask for the objects" in refused(asked(sequences={"zipf": SEQUENCE}), None).what
    found = refused(asked(sequences={"many": {**SEQUENCE, "objects": 101}}))
    assert found.what.startswith("sequences.many: ")
    assert "101" in found.what
    gone = str(tmp_path / "none.csv")
    assert f"there is no trace {gone}" in refused(asked(sequences={"real": {"trace": gone}})).what


def test_regions_have_neither_an_orchestrator_nor_a_forward_proxy() -> None:
    assert "keeps its instances in one network" in refused(asked("direct", target="swarm", geography=GEOGRAPHY)).what
    assert "squid is a forward proxy" in refused(asked("squid", geography=GEOGRAPHY)).what


def test_a_service_is_not_called_as_a_proxy_is() -> None:
    topologies = {"single": Topology(services=("proxy-far",), routes={"/": "proxy-far"})}
    with pytest.raises(SpecError, match="has a service 'proxy-far', which is what a proxy is called"):
        validate_deployable(asked("direct"), topologies, None)


def test_the_proxies_of_a_variant_have_names() -> None:
    shielded = {**GEOGRAPHY, "shield": "near", "pops": ["far"]}
    plain = asked("direct", "nginx", FakeCache.name)
    assert [proxy_names(plain, variant) for variant in plain.variants] == [(), ("proxy",), ("proxy",)]
    apart = asked("direct", "nginx", FakeCache.name, geography=shielded)
    assert [proxy_names(apart, variant) for variant in apart.variants] == [
        (), ("proxy",), ("proxy-shield", "proxy-far"),
    ]  # fmt: skip
