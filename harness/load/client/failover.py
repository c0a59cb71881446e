"""How the clients of a region reach the services: over the nearest entry that is not known to be down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from harness.clock import NS_PER_S, now_ns
from harness.load.client.netns import Namespace
from harness.load.client.routing import Routing
from harness.load.plan.targets import RegionPlan, Targets


class Failover:
    """The entries of one region, nearest first, for all of its clients: what one of them finds down is so for all."""

    def __init__(self, name: str, entries: Sequence[Routing], failover_s: float) -> None:
        self.name = name
        self.entries = tuple(entries)
        self._failover_ns = round(failover_s * NS_PER_S)
        self._down_until_ns = [0] * len(self.entries)

    @classmethod
    def of(cls, region: RegionPlan, targets: Targets) -> Self:
        """Raises LoadError for a namespace that cannot be entered, and for a certificate that cannot be used."""
        netns = None if region.netns is None else Namespace(region.netns)
        entries = [Routing(routes, targets.way, netns) for routes in region.entries]
        return cls(region.name, entries, targets.failover_s)

    def entry(self) -> int:
        """The nearest entry that is not down; where all are, the one that will be tried again first."""
        at_ns = now_ns()
        for number, until_ns in enumerate(self._down_until_ns):
            if until_ns <= at_ns:
                return number
        return self._down_until_ns.index(min(self._down_until_ns))

    def failed(self, entry: int) -> None:
        """An exchange over that entry failed: it is down from now on, for a while."""
        self._down_until_ns[entry] = now_ns() + self._failover_ns
