"""The proxies there are. A new one is a folder and a line here; the contract suites then cover it."""

from __future__ import annotations

from harness.errors import SpecError
from harness.proxies.api import Proxy
from harness.proxies.haproxy.proxy import HaproxyProxy
from harness.proxies.nginx.cache import NginxCacheProxy
from harness.proxies.nginx.proxy import NginxProxy
from harness.proxies.squid.cache import SquidCacheProxy
from harness.proxies.squid.forward import SquidProxy
from harness.proxies.trafficserver.proxy import TrafficServerProxy
from harness.proxies.varnish.proxy import VarnishProxy
from harness.records.capabilities import ProxyCapabilities
from harness.spec.proxy import DIRECT

_KINDS: tuple[type[Proxy], ...] = (
    NginxProxy,
    HaproxyProxy,
    SquidProxy,
    VarnishProxy,
    NginxCacheProxy,
    SquidCacheProxy,
    TrafficServerProxy,
)
PROXIES: dict[str, type[Proxy]] = {kind.name: kind for kind in _KINDS}


def capabilities() -> dict[str, ProxyCapabilities]:
    """Of every kind of proxy, by name."""
    return {name: kind.capabilities() for name, kind in PROXIES.items()}


def make(name: str) -> Proxy:
    """A new proxy of that kind. Raises SpecError that lists the known ones."""
    try:
        return PROXIES[name]()
    except KeyError:
        raise SpecError(f"There is no proxy {name!r}.", f"Known proxies: {DIRECT}, {', '.join(PROXIES)}.") from None
