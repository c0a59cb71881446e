"""The fronts there are. A new one is a module and a line here; the contract suite then covers it."""

from __future__ import annotations

from harness.errors import SpecError
from harness.fronts.api import Front
from harness.fronts.haproxy import HaproxyFront
from harness.fronts.nginx import NginxFront
from harness.fronts.squid import SquidFront
from harness.fronts.squid_cache import SquidCacheFront
from harness.fronts.trafficserver import TrafficServerFront
from harness.spec.front import DIRECT

FRONTS: dict[str, type[Front]] = {kind.name: kind for kind in (NginxFront, HaproxyFront, SquidFront, SquidCacheFront, TrafficServerFront)}


def make(name: str) -> Front:
    """A new front of that kind. Raises SpecError that lists the known ones."""
    try:
        return FRONTS[name]()
    except KeyError:
        raise SpecError(f"There is no front {name!r}.", f"Known fronts: {DIRECT}, {', '.join(FRONTS)}.") from None
