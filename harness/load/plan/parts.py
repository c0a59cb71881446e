"""The parts of a load plan that only some loads have: regions, and a sequence of objects. Plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Self

from harness.spec.route import Route
from harness.spec.sequence import CatalogueSpec, SequenceSpec, TraceSpec

MAX_REGIONS = 255

OutcomeWords = tuple[str, tuple[tuple[str, str], ...]]
"""A response header's name, and pairs of how its value may begin and what that means (harness.load.recorder.Cache)."""


@dataclass(frozen=True, slots=True)
class RegionPlan:
    """Where some of the clients stand. ``weight``: its part of the arrivals, against the other regions'.

    ``netns``
        The network namespace that its connections are opened in; None: the generator's own.

    ``entries``
        The ways to the services by their distance, the nearest first, each as the ``routes`` of a load plan.

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
            check_routes(routes)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """From plain data, as JSON gives it."""
        entries = tuple(tuple(Route(**route) for route in entry) for entry in data["entries"])
        return cls(data["name"], data["weight"], data["netns"], entries, data["home"])


@dataclass(frozen=True, slots=True)
class SequencePlan:
    """The objects that are asked for: ``requests`` in order, from place ``start`` on, mapped onto the catalogue.

    The path of a trace is absolute here. ``requests`` None: by Zipf's law, with the load plan's seed
    (harness.load.worker.object_sequence).
    """

    catalogue: CatalogueSpec
    requests: SequenceSpec | TraceSpec | None = None
    start: int = 0

    def __post_init__(self) -> None:
        if self.start < 0:
            raise ValueError("a sequence's start must not be negative")
        if isinstance(self.requests, TraceSpec) and not Path(self.requests.trace).is_absolute():
            raise ValueError("a trace needs an absolute path: the generator has its own working folder")

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """From plain data, as JSON gives it. Raises ValueError for what is no sequence."""
        given = data["requests"]
        requests = None if given is None else TraceSpec(**given) if "trace" in given else SequenceSpec(**given)
        return cls(CatalogueSpec(**data["catalogue"]), requests, data["start"])


def check_routes(routes: Sequence[Route]) -> None:
    """Raise ValueError for routes that lead nowhere, or by a name."""
    if not routes or len({route.prefix for route in routes}) != len(routes):
        raise ValueError("routes must lead somewhere, and no prefix to two places")
    if not all(route.prefix.startswith("/") for route in routes):
        raise ValueError("a route's prefix must begin with /")
    for route in routes:
        check_place(route.ip, route.port)


def check_place(ip: str, port: int) -> None:
    """Raise ValueError for what is no IP address and port."""
    # Refuses a name, which the generator would resolve while it sends.
    IPv4Address(ip)
    if not 0 < port < 65536:
        raise ValueError(f"{ip}:{port} is no address")
