"""Makes the sessions of one run, all over the same routes."""

from __future__ import annotations

from harness.load.client.connection import Activity
from harness.load.client.failover import Failover
from harness.load.client.regional import RegionalSession
from harness.load.client.routing import Routing
from harness.load.client.session import Session, Sink
from harness.load.plan.targets import Targets


class SessionFactory:
    """``client_regions``: the numbers of the regions that have clients; 0 alone without regions.

    Raises LoadError for a namespace that cannot be entered, and for a certificate that cannot be used.
    """

    def __init__(self, targets: Targets, timeout_s: float, activity: Activity) -> None:
        self._timeout_s = timeout_s
        self._activity = activity
        self._failovers = [Failover.of(region, targets) for region in targets.regions]
        self._routing = Routing(targets.routes, targets.way)
        self.client_regions = [number for number, weight in enumerate(targets.region_weights) if weight] or [0]

    def session(self, sink: Sink, region: int = 0) -> Session:
        """A client that stands in that region, for now."""
        if self._failovers:
            return RegionalSession(self._failovers, self._timeout_s, sink, self._activity, region)
        return Session(self._routing, self._timeout_s, sink, self._activity)
