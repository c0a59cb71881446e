"""What experiments may ask of a cache."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.artifacts.api import Artifact
from harness.errors import SpecError
from harness.proxies import caching
from harness.proxies.api import Proxy, Route, Upstream
from harness.proxies.caching import CacheSize, OutcomeHeader
from harness.proxies.registry import PROXIES, make
from harness.spec.proxy import CacheSpec, ProxySpec
from harness.store.samples import CACHE
from harness.units import MIB

CACHES = [name for name, proxy in PROXIES.items() if proxy.policies]
ROUTES = [Route("/", (Upstream("svc", "198.18.0.10", 8000),))]
LARGE = CacheSize(64 * MIB)


@pytest.fixture(autouse=True)
def nothing_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(*_: object) -> Artifact:
        raise AssertionError("it was to be refused")

    monkeypatch.setattr("harness.proxies.api.build_packages", build)


@given(size=st.integers(1, 1 << 45), share=st.none() | st.floats(0.001, 1))
def test_a_capacity_reaches_the_specification_to_the_byte(size: int, share: float | None) -> None:
    made = caching.with_size(ProxySpec(kind="x", cache=CacheSpec(size_share=0.5)), CacheSize(size, share)).cache
    assert made is not None
    assert made.size_share is None
    assert caching.size_bytes(made) == size


def test_the_matrix_goes_before_the_share_and_that_before_the_size() -> None:
    cache = CacheSpec(size_mib=3, size_share=0.5)
    assert caching.size_of(cache, 1000, 0.1) == CacheSize(100, 0.1)
    assert caching.size_of(cache, 1000) == CacheSize(500, 0.5)
    assert caching.size_of(CacheSpec(size_mib=3), 1000) == CacheSize(3 * MIB)
    for share in (0.1, None):
        with pytest.raises(SpecError, match="workload has none"):
            caching.size_of(cache, None, share)


@pytest.mark.parametrize("name", CACHES)
@pytest.mark.parametrize("size", [0, 1])
def test_a_cache_too_small_is_refused(name: str, size: int) -> None:
    with pytest.raises(SpecError, match="cannot be as small"):
        make(name).proxy_service(ProxySpec(kind=name), ROUTES, cache=CacheSize(size))


@pytest.mark.parametrize("name", CACHES)
def test_a_policy_that_it_lacks_is_refused_with_those_it_has(name: str) -> None:
    for policy in {"lru", "fifo", "lfuda", "gdsf", "clfus"} - PROXIES[name].policies:
        with pytest.raises(SpecError) as refused:
            make(name).proxy_service(ProxySpec(kind=name, cache=CacheSpec.model_validate({"policy": policy})), ROUTES)
        assert policy in refused.value.what
        assert all(known in refused.value.remedy for known in PROXIES[name].policies)


@pytest.mark.parametrize("name", CACHES)
def test_what_it_cannot_do_is_refused(name: str) -> None:
    others = {"ttl_s": 5.0, "stale_while_revalidate_s": 5.0, "stale_if_error_s": 5.0, "collapse": False}
    assert PROXIES[name].lacks <= others.keys()
    for key in PROXIES[name].lacks:
        spec = ProxySpec(kind=name, cache=CacheSpec.model_validate({key: others[key]}))
        with pytest.raises(SpecError, match=key):
            make(name).proxy_service(spec, ROUTES)


@pytest.mark.parametrize("name", sorted(PROXIES.keys() - set(CACHES)))
@pytest.mark.parametrize("asked", [{"cache": {}}, {"warm": True}])
def test_a_cache_is_refused_where_there_is_none(name: str, asked: dict[str, object]) -> None:
    with pytest.raises(SpecError, match="caches nothing"):
        make(name).proxy_service(ProxySpec.model_validate({"kind": name, **asked}), ROUTES)
    with pytest.raises(SpecError, match="caches nothing"):
        make(name).proxy_service(ProxySpec(kind=name), ROUTES, cache=LARGE)
    assert PROXIES[name].outcome is None


@pytest.mark.parametrize("name", CACHES)
def test_it_tells_hits_and_misses_in_the_words_of_samples(name: str) -> None:
    outcome = PROXIES[name].outcome
    assert outcome is not None
    words = {word for _, word in outcome.words}
    assert {"hit", "miss", "pass"} <= words <= set(CACHE)
    assert outcome.word(None) == outcome.word("something else") == "none"


def test_the_first_beginning_that_fits_gives_the_word() -> None:
    header = OutcomeHeader("X", (("hit-stale", "stale"), ("hit", "hit")))
    assert [header.word(value) for value in ("HIT-STALE x", "Hit, of old", "HI")] == ["stale", "hit", "none"]


@pytest.mark.parametrize("name", CACHES)
@given(size=st.integers(4 * MIB, 1 << 34), mean=st.floats(100, 1e6))
def test_bodies_take_less_than_the_capacity_and_large_ones_waste_less(name: str, size: int, mean: float) -> None:
    proxy: Proxy = make(name)
    for policy in proxy.policies:
        held = proxy.effective_bytes(size, mean, policy)
        assert 0 < held < size
        assert proxy.effective_bytes(size, 2 * mean, policy) >= held
