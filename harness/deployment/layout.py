"""Who stands where in the lab: every instance's address and service, and the way clients take. Launches nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from harness.deployment.setting import Setting
from harness.errors import DeployError
from harness.fronts import certificates
from harness.fronts.api import Certificate, Upstream
from harness.fronts.api import Route as FrontRoute
from harness.lab.api import LabAddress
from harness.lab.bridged import Lab
from harness.spec.front import DIRECT
from harness.spec.matrix import Variant
from harness.spec.route import Route, is_below
from harness.spec.service import Readiness
from harness.spec.topology import Step, Topology, launch_order, rendered
from harness.targets.api import Service, Target

FRONT = "front"
CA_FILE = "ca.pem"
_CERTIFICATE_DAYS = 2


@dataclass(frozen=True, slots=True)
class Way:
    """How a client connects: over TLS if ``tls_ca`` (a PEM file) is given, through ``proxy`` if that is."""

    tls_ca: str | None = None
    proxy: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """One instance that is to be launched, or all replicas of a service where an orchestrator keeps them.

    ``ask``: where its readiness is asked, and the way there. ``following``: what its next version's environment has
    otherwise (event *replace*).
    """

    name: str
    service_name: str
    role: Literal["service", "front"]
    target: Target
    service: Service
    at: LabAddress
    ask: tuple[str, int]
    way: Way = Way()
    following: tuple[tuple[str, str], ...] = ()

    @property
    def addresses(self) -> tuple[LabAddress, ...]:
        """Where instances of it may answer."""
        return (self.at, *self.at.spares)


@dataclass(frozen=True, slots=True)
class Layout:
    """``places`` in the order of their launch, the front last. ``routes`` and ``way``: how clients reach the workload.

    ``files``: the front's configuration, to be kept with the trial.
    """

    topology: Topology
    places: tuple[Place, ...]
    routes: tuple[Route, ...]
    way: Way
    files: Mapping[str, str]

    @property
    def front(self) -> Place | None:
        return next((place for place in self.places if place.role == "front"), None)

    @property
    def first(self) -> tuple[Step, ...]:
        """The transaction that ends the startup of the whole."""
        return self.topology.first

    def places_of(self, service: str) -> tuple[Place, ...]:
        """The instances of one service."""
        return tuple(place for place in self.places if place.service_name == service)


def lay_out(variant: Variant, setting: Setting, lab: Lab, scratch: Path) -> Layout:
    """Give every instance of ``variant`` its place. Raises DeployError when the lab is full, SpecError for a front that
    cannot do what is asked of it."""
    topology = setting.topologies[variant.topology]
    order = launch_order(topology, setting.specs())
    targets = {name: setting.targets[setting.experiment.target_of(variant, name)] for name in order}
    addresses = {name: _addresses(variant, name, targets[name], setting, lab) for name in order}
    hosts = {name: (str(addresses[name][0].ip), setting.members[name].spec.port) for name in order}
    places = [
        _place(name, number, at, targets[name], setting, hosts, _size(variant, name, targets[name], setting))
        for name in order
        for number, at in enumerate(addresses[name], start=1)
    ]
    direct = tuple(Route(prefix, *hosts[name]) for prefix, name in topology.routes.items())
    if variant.front == DIRECT:
        return Layout(topology, tuple(places), direct, Way(), {})
    return _with_front(variant, topology, places, direct, setting, lab, scratch)


def most_replicas(variant: Variant, service: str, setting: Setting) -> int:
    """How many instances of a service there may be at once: at the beginning, or after an event."""
    topology = setting.topologies[variant.topology]
    asked = [
        event.replicas or 1
        for event in setting.experiment.events_of(variant)
        if event.kind == "scale" and service == (event.service or topology.route_of(event.route or "/"))
    ]
    return max([setting.replicas_of(variant, service), *asked])


def _addresses(variant: Variant, name: str, target: Target, setting: Setting, lab: Lab) -> tuple[LabAddress, ...]:
    if target.orchestrates:
        return (lab.address(name, spares=most_replicas(variant, name, setting) - 1),)
    count = setting.replicas_of(variant, name)
    return tuple(lab.address(_name(name, number)) for number in range(1, count + 1))


def _size(variant: Variant, name: str, target: Target, setting: Setting) -> int:
    """The replicas that one launch asks its target for."""
    return setting.replicas_of(variant, name) if target.orchestrates else 1


def _name(service: str, number: int) -> str:
    return service if number == 1 else f"{service}-{number}"


def _place(
    name: str,
    number: int,
    at: LabAddress,
    target: Target,
    setting: Setting,
    hosts: Mapping[str, tuple[str, int]],
    size: int,
) -> Place:
    member = setting.members[name]
    made = Service.of(member.artifact, member.spec, setting.experiment.limits, setting.cpus.service)
    env = tuple((key, rendered(value, hosts) if key in member.spec.env else value) for key, value in made.env)
    return Place(
        name=_name(name, number),
        service_name=name,
        role="service",
        target=target,
        service=replace(made, env=env, replicas=size),
        at=at,
        ask=(str(at.ip), member.spec.ready.port or member.spec.port),
        following=tuple((key, rendered(value, hosts)) for key, value in member.spec.next.items()),
    )


def _with_front(
    variant: Variant,
    topology: Topology,
    places: Sequence[Place],
    direct: tuple[Route, ...],
    setting: Setting,
    lab: Lab,
    scratch: Path,
) -> Layout:
    spec = setting.experiment.front(variant.front)
    if spec is None:
        raise DeployError(f"{variant.name} has no front.", "Run the experiment again from its file.")
    front = setting.fronts[variant.front]
    at = lab.address(FRONT)
    certificate: Certificate | None = None
    tls_ca: str | None = None
    if spec.tls:
        certificate = setting.certificates.get(variant.front) or certificates.make(str(at.ip), _CERTIFICATE_DAYS)
        (scratch / CA_FILE).write_text(certificate.ca_pem, "utf-8")
        tls_ca = str(scratch / CA_FILE)
    routes = [FrontRoute(prefix, _upstreams(places, name)) for prefix, name in topology.routes.items()]
    first = setting.members[topology.routed[0]].spec
    ready: Readiness = first.ready.model_copy(update={"port": None, "path": _below(topology, first.ready.path)})
    made = front.front_service(spec, routes, certificate, ready)
    service = Service.of(made.artifact, made.spec, setting.experiment.limits, setting.cpus.service)
    here = (str(at.ip), made.spec.port)
    way = Way(tls_ca, here if front.forward else None)
    entry = direct if front.forward else (Route("/", *here),)
    # Its readiness is a response that came through it.
    ask = next((route.ip, route.port) for route in entry)
    place = Place(
        name=FRONT,
        service_name=FRONT,
        role="front",
        target=setting.targets[setting.experiment.target_of(variant, FRONT)],
        service=service,
        at=at,
        ask=ask,
        way=way,
    )
    return Layout(topology, (*places, place), entry, way, made.files)


def _below(topology: Topology, path: str) -> str:
    """Where the readiness of the first service is asked through a front: below the first prefix that leads to it.

    A service that is reached below a prefix answers there as well: ``/auth/health`` for ``/health``.
    """
    prefix = next(prefix for prefix, name in topology.routes.items() if name == topology.routed[0])
    return path if is_below(path, prefix) else f"{prefix.rstrip('/')}{path}"


def _upstreams(places: Sequence[Place], service: str) -> tuple[Upstream, ...]:
    return tuple(
        Upstream(place.name if at is place.at else f"{place.name}-{number}", str(at.ip), place.service.port)
        for place in places
        if place.service_name == service
        for number, at in enumerate(place.addresses, start=1)
    )
