"""Where a load's requests go, and from where: plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from harness.spec.route import STRAIGHT, Route, Way

MAX_REGIONS = 255


@dataclass(frozen=True, slots=True)
class RegionPlan:
    """Where some of the clients stand. ``weight``: its part of the arrivals, against the other regions'.

    ``netns``
        The network namespace that its connections are opened in; None: the generator's own.

    ``entries``
        The ways to the services by their distance, the nearest first, each as the ``routes`` of Targets.

    ``home``
        Whether its nearest entry stands in the region itself. What fills an entry's cache beforehand is asked for from
        there.
    """

    name: str
    weight: float
    netns: str | None
    entries: tuple[tuple[Route, ...], ...]
    home: bool = True

    def __post_init__(self) -> None:
        if not self.name or self.weight < 0 or not self.entries:
            raise ValueError("a region needs a name, a weight of at least 0, and an entry")
        for routes in self.entries:
            _check_routes(routes)


@dataclass(frozen=True, slots=True)
class Targets:
    """The services that ``routes`` lead to: the longest prefix of a path decides. ``way``: how clients connect.

    ``regions``
        Where the clients stand, if not all in one place; ``routes`` is then the first one's first entry. Each arrival's
        region is drawn by weight. Where a connection is refused, breaks or is silent, the clients of its region go to
        the next entry for ``failover_s``; the request itself is an error.
    """

    routes: tuple[Route, ...]
    way: Way = STRAIGHT
    regions: tuple[RegionPlan, ...] = ()
    failover_s: float = 5.0

    def __post_init__(self) -> None:
        _check_routes(self.routes)
        if self.way.forward_proxy:
            _check_address(*self.way.forward_proxy)
        if self.way.tls_ca is not None and not Path(self.way.tls_ca).is_absolute():
            raise ValueError("tls_ca must be an absolute path: the generator has its own working folder")
        if self.failover_s <= 0:
            raise ValueError("failover_s must be positive")
        if self.regions:
            self._check_regions()

    def _check_regions(self) -> None:
        if self.way.forward_proxy:
            raise ValueError("clients in regions use no forward proxy: it stands in one of them")
        if len(set(self.region_names)) != len(self.regions) or len(self.regions) > MAX_REGIONS:
            raise ValueError(f"regions need names of their own, and there are at most {MAX_REGIONS}")
        if not any(self.region_weights):
            raise ValueError("some region must have a weight")
        if self.routes != self.regions[0].entries[0]:
            raise ValueError("with regions, routes must be the first region's first entry")

    @property
    def region_names(self) -> tuple[str, ...]:
        """In the order in which samples count regions; empty without regions."""
        return tuple(region.name for region in self.regions)

    @property
    def region_weights(self) -> tuple[float, ...]:
        return tuple(region.weight for region in self.regions)


def _check_routes(routes: Sequence[Route]) -> None:
    """Raise ValueError for routes that lead nowhere, or by a name."""
    if not routes or len({route.prefix for route in routes}) != len(routes):
        raise ValueError("routes must lead somewhere, and no prefix to two places")
    if not all(route.prefix.startswith("/") for route in routes):
        raise ValueError("a route's prefix must begin with /")
    for route in routes:
        _check_address(route.ip, route.port)


def _check_address(ip: str, port: int) -> None:
    """Raise ValueError for what is no IP address and port."""
    # Refuses a name, which the generator would resolve while it sends.
    IPv4Address(ip)
    if not 0 < port < 65536:
        raise ValueError(f"{ip}:{port} is no address")
