"""Where the instances of a deployment stand, and the ways there: plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from harness.lab.api import LabAddress
from harness.load.plan import RegionPlan
from harness.records.cache import CacheRecord
from harness.spec.route import STRAIGHT, Route, Way
from harness.spec.topology import Step, Topology
from harness.targets.api import Service, Target


@dataclass(frozen=True, slots=True)
class DeploymentUnit:
    """One instance that is to be launched, or all replicas of a service where an orchestrator keeps them.

    ``ask``: where its readiness is asked, and the way there. ``service_name`` is what it is an instance of; every
    instance of a proxy is one of ``proxy``. ``following``: what its next version's environment has otherwise (event
    *replace*).
    """

    name: str
    service_name: str
    role: Literal["service", "proxy"]
    target: Target
    service: Service
    at: LabAddress
    ask: tuple[str, int]
    way: Way = STRAIGHT
    following: tuple[tuple[str, str], ...] = ()

    @property
    def addresses(self) -> tuple[LabAddress, ...]:
        """Where instances of it may answer."""
        return (self.at, *self.at.spares)


@dataclass(frozen=True, slots=True)
class Layout:
    """``places`` in the order of their launch, proxies last. ``routes`` and ``way``: how clients reach the workload.

    In a geography those are the clients of the origin's region, and ``regions`` has everybody's ways. ``direct`` leads
    to the services themselves, past any proxy. ``files``: the proxies' configuration, to be kept with the trial.
    ``caches``: what each proxy that caches can hold.
    """

    topology: Topology
    places: tuple[DeploymentUnit, ...]
    routes: tuple[Route, ...]
    way: Way
    files: Mapping[str, str]
    direct: tuple[Route, ...]
    regions: tuple[RegionPlan, ...] = ()
    caches: tuple[CacheRecord, ...] = ()

    @property
    def proxies(self) -> tuple[DeploymentUnit, ...]:
        """The instances of the proxy, in the order of their launch."""
        return tuple(place for place in self.places if place.role == "proxy")

    @property
    def client(self) -> str | None:
        """The clients' namespace that ``routes`` are near to; None if they say nothing of it."""
        entry = {route.ip for route in self.routes}
        return next((place.at.client for place in self.places if str(place.at.ip) in entry), None)

    @property
    def first(self) -> tuple[Step, ...]:
        """The transaction that ends the startup of the whole."""
        return self.topology.first

    def places_of(self, service: str) -> tuple[DeploymentUnit, ...]:
        """The instances of one service, or the one of that name."""
        return tuple(place for place in self.places if service in (place.service_name, place.name))
