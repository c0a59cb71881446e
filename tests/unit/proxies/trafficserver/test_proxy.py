"""What is ours of Traffic Server: its store's size, and the script, which runs in the contract suite alone."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from harness.proxies.api import Route, Upstream
from harness.proxies.trafficserver.proxy import TrafficServerProxy, store_bytes
from harness.spec.proxy import CacheSpec, ProxySpec
from harness.units import MIB

PROXY = TrafficServerProxy()
ROUTES = [Route("/", (Upstream("a", "198.18.0.10", 8000),))]
OWN = {"HEADER", "HOST", "ONLY_IF_CACHED", "TRIES", "WAIT_MS"}
"""What the script defines itself."""


@pytest.mark.parametrize(("size", "store"), [(MIB, 1024 * MIB), (600 * MIB + 1, 1201 * MIB)])
def test_the_store_is_larger_than_the_memory(size: int, store: int) -> None:
    assert store_bytes(size) == store


def test_the_script_has_its_settings_before_it_uses_them() -> None:
    text = PROXY.render(ProxySpec(kind=PROXY.name, cache=CacheSpec(ttl_s=2)), ROUTES, None).files["proxy.lua"]
    script = (files("harness.proxies.trafficserver") / "script.lua").read_text("utf-8")
    head, _, _ = text.partition(script)
    for name in re.findall(r"\b[A-Z][A-Z_]{2,}\b", re.sub(r"--.*|\"[^\"]*\"", "", script)):
        assert name.startswith("TS_LUA_") or name in OWN or f"local {name} = " in head, name
