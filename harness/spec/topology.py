"""Several services that are deployed as one: who they are, who needs whom, and who answers which path."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Annotated

from pydantic import Field, model_validator

from harness.spec.base import Name, SpecModel
from harness.spec.route import longest_prefix
from harness.spec.service import Exchange, ServiceSpec, UrlPath

SINGLE = "single"
"""The topology of a workload that is one service."""

SERVICE = "svc"
"""The name of that service."""

_REFERENCE = re.compile(r"\$\{([a-z0-9-]+)\.(host|port|address)\}")


class Member(ServiceSpec):
    """One service of a set.

    ``root``: which of the workload's root file systems it is deployed from. ``needs``: the services that are launched
    before it. A value of ``env`` may hold ``${NAME.host}``, ``${NAME.port}`` or ``${NAME.address}`` of a service of the
    same topology, and so may one of ``next``: what the environment of its next version has otherwise (event *replace*).
    """

    root: Name = "main"
    needs: Annotated[tuple[Name, ...], Field(strict=False)] = ()
    next: dict[str, str] = Field(default_factory=dict)

    @property
    def references(self) -> frozenset[str]:
        """The services whose places its environment names, the next version's included."""
        values = (*self.env.values(), *self.next.values())
        return frozenset(match[1] for value in values for match in _REFERENCE.finditer(value))


class Step(Exchange):
    """One request of a transaction. ``headers``, ``path`` and ``body`` may hold ``${name}`` of an earlier capture.

    ``capture``: names to keys of the JSON answer (``token``, or ``user.id`` for a key of an object in it).
    """

    headers: dict[str, str] = Field(default_factory=dict)
    body_contains: str | None = None
    capture: dict[str, str] = Field(default_factory=dict)


class Topology(SpecModel):
    """Which services are deployed together. ``routes``: path prefixes to the services that answer below them.

    ``first``: the transaction whose last correct answer ends the startup of the whole. Without one, that is the moment
    when every service has given its first correct response. ``propagation``: a path whose answer is a JSON object with
    ``propagation_ms``: how long each of the workload's own events took to its effect, on one kernel's clock.
    ``counter``: a path whose answer is a JSON object with ``requests`` and ``bytes``: how often objects were asked for
    since the start, and how many bytes of their bodies were sent. Asking for it counts as nothing.
    """

    services: Annotated[tuple[Name, ...], Field(strict=False, min_length=1, max_length=32)]
    routes: Annotated[dict[UrlPath, Name], Field(min_length=1)]
    first: Annotated[tuple[Step, ...], Field(strict=False)] = ()
    propagation: UrlPath | None = None
    counter: UrlPath | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Topology:
        if len(set(self.services)) != len(self.services):
            raise ValueError("a service is named twice")
        for path, name in self.routes.items():
            if name not in self.services:
                raise ValueError(f"routes: {path} leads to {name!r}, which is not one of its services")
        return self

    def route_of(self, path: str) -> str:
        """The service that answers ``path``: that of the longest prefix. Raises ValueError if there is none."""
        return self.routes[longest_prefix(path, self.routes)]

    @property
    def routed(self) -> tuple[str, ...]:
        """The services that clients reach, in the order of the services."""
        return tuple(name for name in self.services if name in self.routes.values())


def launch_order(topology: Topology, members: Mapping[str, Member]) -> tuple[str, ...]:
    """The topology's services, each after those that it needs, otherwise in the order of the file.

    Raises ValueError for a need outside the topology, and for a circle, which it names.
    """
    graph: dict[str, Sequence[str]] = {}
    for name in topology.services:
        for need in members[name].needs:
            if need not in topology.services:
                raise ValueError(f"{name} needs {need!r}, which is not one of the topology's services")
        graph[name] = members[name].needs
    sorter = TopologicalSorter(graph)
    try:
        sorter.prepare()
    except CycleError as error:
        raise ValueError(f"services need each other in a circle: {' → '.join(reversed(error.args[1]))}") from None
    return tuple(_in_file_order(sorter, topology.services))


def _in_file_order(sorter: TopologicalSorter[str], services: Sequence[str]) -> Iterator[str]:
    waiting = list(sorter.get_ready())
    while waiting:
        waiting.sort(key=services.index)
        name = waiting.pop(0)
        yield name
        sorter.done(name)
        waiting += sorter.get_ready()


def rendered(value: str, places: Mapping[str, tuple[str, int]]) -> str:
    """``value`` with every reference replaced; ``places`` are host and port by service."""

    def place(match: re.Match[str]) -> str:
        host, port = places[match[1]]
        return {"host": host, "port": str(port), "address": f"{host}:{port}"}[match[2]]

    return _REFERENCE.sub(place, value)
