"""The fronts there are. A new one is a module and a line here; the contract suites then cover it."""

from __future__ import annotations

from harness.errors import SpecError
from harness.fronts.api import Front
from harness.fronts.haproxy import HaproxyFront
from harness.fronts.nginx import NginxFront
from harness.fronts.nginx_cache import NginxCacheFront
from harness.fronts.squid import SquidFront
from harness.fronts.squid_cache import SquidCacheFront
from harness.fronts.trafficserver import TrafficServerFront
from harness.fronts.varnish import VarnishFront
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


def make(name: str) -> Front:
    """A new front of that kind. Raises SpecError that lists the known ones."""
    try:
        return FRONTS[name]()
    except KeyError:
        raise SpecError(f"There is no front {name!r}.", f"Known fronts: {DIRECT}, {', '.join(FRONTS)}.") from None
