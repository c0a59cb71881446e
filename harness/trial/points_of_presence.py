"""The proxy of a deployment: one instance before the services, or a point of presence in each region that has one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.errors import DeployError
from harness.lab.bridged import Lab
from harness.lab.regional import RegionalLab
from harness.load.plan import RegionPlan
from harness.planning.validate import capacity
from harness.proxies import certificates
from harness.proxies.api import Proxy, Upstream
from harness.proxies.api import Route as ProxyRoute
from harness.proxies.caching import CacheSize
from harness.records.cache import CacheRecord
from harness.records.variant import Variant
from harness.spec.geography import Geography
from harness.spec.proxy import PROXY, SHIELD, CacheSpec, ProxySpec
from harness.spec.route import Route, Way, is_below
from harness.spec.service import Readiness
from harness.spec.topology import Topology
from harness.targets.api import Service
from harness.trial.campaign_context import CampaignContext
from harness.trial.layout import DeploymentUnit, Layout

CA_FILE = "ca.pem"
_CERTIFICATE_DAYS = 2

Entries = Mapping[str, tuple[tuple[Route, ...], ...]]
"""By region: the ways that its clients can take, the nearest first."""


def with_proxy(plain: Layout, variant: Variant, setting: CampaignContext, lab: Lab, scratch: Path) -> Layout:
    """``plain`` with the proxy of ``variant``: its instances come last, and clients are sent to them.

    A proxy that caches stands in every region that shall have a point of presence; any other, in the origin's. Raises
    SpecError for what the proxy cannot do, DeployError when the lab is full.
    """
    spec = setting.experiment.proxy(variant.proxy)
    if spec is None:
        raise DeployError(f"{variant.name} has no proxy.", "Run the experiment again from its file.")
    proxy = setting.proxies[variant.proxy]
    size = capacity(variant, spec, setting.catalogue) if proxy.policies else None
    made = _Proxies(variant, spec, proxy, size, plain.topology, setting, lab, scratch)
    origin = tuple(ProxyRoute(prefix, _upstreams(plain.places, name)) for prefix, name in plain.topology.routes.items())
    geography = setting.experiment.geography
    if geography is not None and proxy.policies:
        _must_have_regions(lab)
        entries = _points_of_presence(made, origin, geography)
        routes = entries[geography.origin][0]
    else:
        place = made.stand(PROXY, origin)
        routes = plain.direct if proxy.forward else (_entry(place),)
        entries = {} if geography is None else dict.fromkeys(geography.names, (routes,))
    return replace(
        plain,
        places=(*plain.places, *made.places),
        routes=routes,
        way=made.places[-1].way,
        files=made.files,
        regions=() if geography is None else region_plans(geography, lab, entries),
        caches=tuple(made.caches),
    )


def region_plans(geography: Geography, lab: Lab, entries: Entries) -> tuple[RegionPlan, ...]:
    """The clients of each region. Raises DeployError in a lab without regions."""
    clients = _must_have_regions(lab).clients
    return tuple(
        RegionPlan(
            name,
            geography.region(name).weight,
            clients[name],
            entries[name],
            home=geography.entry(name) == name,
        )
        for name in geography.names
    )


def _must_have_regions(lab: Lab) -> RegionalLab:
    if not isinstance(lab, RegionalLab):
        raise DeployError("Regions need the lab's bridges.", "Run as root: sudo -E tare run …")
    return lab


def _points_of_presence(made: _Proxies, origin: tuple[ProxyRoute, ...], geography: Geography) -> Entries:
    """One in each of their regions, behind the shield where there is one."""
    asked = origin
    if geography.shield is not None:
        # Its only clients are the others, which speak no TLS to what is behind them.
        shield = made.stand(SHIELD, origin, geography.shield, replace_spec={"tls": False, "certificate": None})
        asked = (ProxyRoute("/", (Upstream(SHIELD, str(shield.at.ip), shield.service.port),)),)
    edges = {region: made.stand(f"{PROXY}-{region}", asked, region) for region in geography.pop_regions}
    return {name: tuple((_entry(edges[region]),) for region in geography.nearest(name)) for name in geography.names}


@dataclass(slots=True)
class _Proxies:
    """Makes the places of one variant's proxy, one after another."""

    variant: Variant
    spec: ProxySpec
    proxy: Proxy
    size: CacheSize | None
    topology: Topology
    setting: CampaignContext
    lab: Lab
    scratch: Path
    places: list[DeploymentUnit] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    caches: list[CacheRecord] = field(default_factory=list)
    authorities: list[str] = field(default_factory=list)

    def stand(
        self,
        name: str,
        routes: tuple[ProxyRoute, ...],
        region: str | None = None,
        replace_spec: Mapping[str, object] | None = None,
    ) -> DeploymentUnit:
        """An instance of that name in ``region`` (none: the only one, or the origin's) that asks ``routes``."""
        setting, proxy = self.setting, self.proxy
        spec = self.spec.model_copy(update=dict(replace_spec or {}))
        at = self.lab.address(name, region=region)
        certificate = None
        if spec.tls:
            given = setting.certificates.get(self.variant.proxy)
            certificate = given or certificates.make(str(at.ip), _CERTIFICATE_DAYS)
            # Each has an authority of its own, and clients trust all of them.
            self.authorities = [*dict.fromkeys([*self.authorities, certificate.ca_pem])]
            (self.scratch / CA_FILE).write_text("".join(self.authorities), "utf-8")
        first = setting.members[self.topology.routed[0]].spec
        ready: Readiness = first.ready.model_copy(
            update={"port": None, "path": _below(self.topology, first.ready.path)}
        )
        made = proxy.proxy_service(spec, routes, certificate, ready, self.size)
        here = (str(at.ip), made.spec.port)
        direct = next((upstream.host, upstream.port) for route in routes for upstream in route.upstreams)
        place = DeploymentUnit(
            name=name,
            service_name=PROXY,
            role="proxy",
            target=setting.targets[setting.experiment.target_of(self.variant, PROXY)],
            service=Service.of(made.artifact, made.spec, setting.experiment.limits, setting.cpus.service),
            at=at,
            # Its readiness is a response that came through it.
            ask=direct if proxy.forward else here,
            way=Way(str(self.scratch / CA_FILE) if spec.tls else None, here if proxy.forward else None),
        )
        self.places.append(place)
        self.files |= {file if name == PROXY else f"{name}-{file}": text for file, text in made.files.items()}
        if self.size is not None:
            self.caches.append(self._record(name, self.size))
        return place

    def _record(self, name: str, size: CacheSize) -> CacheRecord:
        policy = (self.spec.cache or CacheSpec()).policy
        catalogue = self.setting.catalogue
        held = None
        if catalogue is not None:
            held = self.proxy.effective_bytes(size.bytes, catalogue.mean_bytes, policy)
        return CacheRecord(
            instance=name,
            kind=self.proxy.name,
            policy=policy,
            size_bytes=size.bytes,
            share=size.share,
            effective_bytes=held,
        )


def _entry(place: DeploymentUnit) -> Route:
    return Route("/", str(place.at.ip), place.service.port)


def _below(topology: Topology, path: str) -> str:
    """Where the readiness of the first service is asked through a proxy: below the first prefix that leads to it.

    A service that is reached below a prefix answers there as well: ``/auth/health`` for ``/health``.
    """
    prefix = next(prefix for prefix, name in topology.routes.items() if name == topology.routed[0])
    return path if is_below(path, prefix) else f"{prefix.rstrip('/')}{path}"


def _upstreams(places: Sequence[DeploymentUnit], service: str) -> tuple[Upstream, ...]:
    return tuple(
        Upstream(place.name if at is place.at else f"{place.name}-{number}", str(at.ip), place.service.port)
        for place in places
        if place.service_name == service
        for number, at in enumerate(place.addresses, start=1)
    )
