"""What Traffic Server is told. Its script runs in the contract suite alone."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from harness.proxies import caching
from harness.proxies.api import Route, Upstream
from harness.proxies.caching import CacheSize
from harness.proxies.trafficserver.proxy import TrafficServerFront
from harness.spec.front import CacheSpec, FrontSpec
from harness.units import MIB

FRONT = TrafficServerFront()
ONE, OTHER = Upstream("a", "198.18.0.10", 8000), Upstream("b", "198.18.0.11", 8000)


OWN = {"HEADER", "HOST", "ONLY_IF_CACHED", "TRIES", "WAIT_MS"}
"""What the script defines itself."""


def rendered(size: int = 64 * MIB, upstreams: tuple[Upstream, ...] = (ONE,), **cache: object) -> dict[str, str]:
    spec = FrontSpec(kind=FRONT.name, max_fails=3, fail_timeout_s=2.5, cache=CacheSpec.model_validate(cache))
    return FRONT.render(caching.with_size(spec, CacheSize(size)), [Route("/", upstreams)], None).files


def record(texts: dict[str, str], name: str) -> str:
    (value,) = re.findall(rf"^CONFIG proxy\.config\.{re.escape(name)} \w+ (.*)$", texts["records.config"], re.MULTILINE)
    return str(value)


@pytest.mark.parametrize(("policy", "algorithm"), [("lru", "1"), ("clfus", "0")])
def test_the_capacity_and_the_policy_are_the_ram_caches(policy: str, algorithm: str) -> None:
    texts = rendered(1_234_567, policy=policy)
    assert record(texts, "cache.ram_cache.size") == "1234567"
    assert record(texts, "cache.ram_cache.algorithm") == algorithm
    assert record(texts, "cache.ram_cache.use_seen_filter") == "0"


@pytest.mark.parametrize(("size", "store"), [(MIB, 1024 * MIB), (600 * MIB + 1, 1201 * MIB)])
def test_the_store_is_larger_than_the_memory(size: int, store: int) -> None:
    assert rendered(size)["storage.config"] == f"/tmp/front {store}\n"


def test_every_path_that_it_writes_to_is_in_the_deliverys_folder() -> None:
    places = dict(line.split(": ") for line in rendered()["runroot.yaml"].splitlines())
    written = {"prefix", "sysconfdir", "localstatedir", "runtimedir", "logdir", "cachedir"}
    assert {places[name] for name in written} == {"/tmp/front"}


def test_failures_are_counted_where_there_is_another_upstream() -> None:
    assert int(record(rendered(), "http.parent_proxy.fail_threshold")) > 1000
    texts = rendered(upstreams=(ONE, OTHER))
    assert record(texts, "http.parent_proxy.fail_threshold") == "3"
    assert record(texts, "http.parent_proxy.retry_time") == "3"
    assert 'parent="198.18.0.10:8000;198.18.0.11:8000" round_robin=strict' in texts["parent.config"]


def test_lifetimes_stale_and_collapse_are_rendered() -> None:
    texts = rendered()
    assert "local TTL_S = nil\n" in texts["front.lua"]
    assert record(texts, "http.cache.max_stale_age") == "0"
    assert record(texts, "http.cache.open_write_fail_action") == "5"
    texts = rendered(ttl_s=2.5, stale_if_error_s=7.0, collapse=False)
    assert "local TTL_S = 3\n" in texts["front.lua"]
    assert record(texts, "http.cache.max_stale_age") == "7"
    assert record(texts, "http.cache.open_write_fail_action") == "0"


def test_the_script_has_its_settings_before_it_uses_them() -> None:
    text = rendered()["front.lua"]
    script = (files("harness.proxies.trafficserver") / "script.lua").read_text("utf-8")
    head, _, _ = text.partition(script)
    for name in re.findall(r"\b[A-Z][A-Z_]{2,}\b", re.sub(r"--.*|\"[^\"]*\"", "", script)):
        assert name.startswith("TS_LUA_") or name in OWN or f"local {name} = " in head, name
