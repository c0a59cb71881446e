"""The fronts there are. A new one is a folder and a line here; the contract suites then cover it."""

from __future__ import annotations

from harness.errors import SpecError
from harness.proxies.api import Front
from harness.proxies.haproxy.proxy import HaproxyFront
from harness.proxies.nginx.cache import NginxCacheFront
from harness.proxies.nginx.proxy import NginxFront
from harness.proxies.squid.cache import SquidCacheFront
from harness.proxies.squid.forward import SquidFront
from harness.proxies.trafficserver.proxy import TrafficServerFront
from harness.proxies.varnish.proxy import VarnishFront
from harness.records.capabilities import ProxyCapabilities
from harness.spec.front import DIRECT

_KINDS: tuple[type[Front], ...] = (
    NginxFront,
    HaproxyFront,
    SquidFront,
    VarnishFront,
    NginxCacheFront,
    SquidCacheFront,
    TrafficServerFront,
)
FRONTS: dict[str, type[Front]] = {kind.name: kind for kind in _KINDS}


def capabilities() -> dict[str, ProxyCapabilities]:
    """Of every kind of front, by name."""
    return {name: kind.capabilities() for name, kind in FRONTS.items()}


def make(name: str) -> Front:
    """A new front of that kind. Raises SpecError that lists the known ones."""
    try:
        return FRONTS[name]()
    except KeyError:
        raise SpecError(f"There is no front {name!r}.", f"Known fronts: {DIRECT}, {', '.join(FRONTS)}.") from None
