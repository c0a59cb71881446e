"""Templates: what is inserted arrives as it is, what is missing is an error, and the wheel has them all."""

from __future__ import annotations

import subprocess
import sys
from importlib.resources import files

import pytest
from jinja2 import UndefinedError

from harness.proxies.api import Proxy, Route, Upstream
from harness.proxies.registry import PROXIES, make
from harness.proxies.templates import configuration
from harness.spec.proxy import CacheSpec, ProxySpec

ROUTES = [Route("/a&b", (Upstream("svc", "198.18.0.10", 8000),))]


def test_a_value_that_a_template_needs_and_does_not_get_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="store_bytes"):
        configuration("trafficserver/storage.config")


def test_a_text_ends_with_its_last_line() -> None:
    assert configuration("trafficserver/storage.config", store_bytes=7) == "/tmp/proxy 7\n"


@pytest.mark.parametrize("name", PROXIES)
def test_nothing_is_escaped_and_nothing_of_the_template_is_left(name: str) -> None:
    proxy: Proxy = make(name)
    spec = ProxySpec(kind=name, cache=CacheSpec(ttl_s=2) if proxy.policies else None)
    texts = proxy.render(spec, ROUTES, None).files
    assert proxy.forward or any("/a&b" in text or r"/a\&b" in text for text in texts.values())
    for text in texts.values():
        assert text.endswith("\n")
        assert not any(mark in text for mark in ("{%", "%}", "{#", "#}", "{{", "&amp;", "None", "Undefined"))


def test_every_proxy_has_a_template_beside_its_module() -> None:
    for kind in PROXIES.values():
        folder = files(kind.__module__.rpartition(".")[0])
        assert any(file.name.endswith(".j2") for file in folder.iterdir()), kind.name


def test_the_library_is_loaded_by_the_first_rendering() -> None:
    code = "import sys, harness.proxies.registry; sys.exit('jinja2' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
