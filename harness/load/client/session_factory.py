"""Makes the sessions of one run, all over the same ways."""

from __future__ import annotations

from harness.load.client.connection import Activity
from harness.load.client.failover import Reach
from harness.load.client.regional import RegionalSession
from harness.load.client.routing import Ways
from harness.load.client.session import Session, Sink
from harness.load.plan.load_plan import LoadPlan


class Clients:
    """``places``: the numbers of the regions that have clients; 0 alone without regions.

    Raises LoadError for a namespace that cannot be entered, and for a certificate that cannot be used.
    """

    def __init__(self, plan: LoadPlan, activity: Activity) -> None:
        self._timeout_s = plan.timeout_s
        self._activity = activity
        self._reaches = [Reach.of(region, plan) for region in plan.regions]
        self._ways = Ways.of(plan)
        self.places = [number for number, region in enumerate(plan.regions) if region.weight] or [0]

    def session(self, sink: Sink, region: int = 0) -> Session:
        """A client that stands in that region, for now."""
        if self._reaches:
            return RegionalSession(self._reaches, self._timeout_s, sink, self._activity, region)
        return Session(self._ways, self._timeout_s, sink, self._activity)
