"""The lab with regions: a bridge and a client in each, joined by a backbone that delays what passes between them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from types import TracebackType
from typing import Self

from harness.lab import namespace
from harness.lab.api import LabAddress
from harness.lab.backbone.process import Backbone, Uplink
from harness.lab.bridged import (
    FIRST_SERVICE_HOST,
    LINK_PREFIX,
    BridgedLab,
    free_block,
    mac_of,
    make_bridge,
    make_client,
)
from harness.lab.round_trips import Path, measure
from harness.lab.subnets import SUBNET_PREFIX, claimed_subnet
from harness.records.network import RttRecord
from harness.spec.geography import Geography

_NETWORK_PREFIX = 20
"""Room for the 16 regions that a geography may have, 256 addresses each."""


@dataclass(frozen=True, slots=True)
class _Site:
    """What a region has in the lab, all named beforehand."""

    number: int
    bridge: str
    client: str
    client_link: str
    tap: str


class RegionalLab(BridgedLab):
    """The private network of one trial, in several regions. A context manager like the lab with one.

    One flat network; each region has a bridge of its own in it, with a client, and a part of the addresses (``pool``).
    ``client_netns`` and ``bridge`` are those of the region of the services (``geography.origin``), ``clients`` are the
    clients' namespaces by region. ``cpus`` are those that the backbone may run on (none given: all).
    """

    def __init__(self, prefix: str, tag: str, geography: Geography, cpus: frozenset[int] = frozenset()) -> None:
        super().__init__(prefix, tag)
        self.geography = geography
        self._sites = {
            name: _Site(
                number=number,
                bridge=f"{LINK_PREFIX}{tag}-r{number}",
                client=f"{prefix}-client-{name}",
                client_link=f"{LINK_PREFIX}{tag}-c{number}",
                tap=f"{LINK_PREFIX}{tag}-t{number}",
            )
            for number, name in enumerate(geography.names)
        }
        self.clients: Mapping[str, str] = {name: site.client for name, site in self._sites.items()}
        self.bridge = self._sites[geography.origin].bridge
        self.client_netns = self.clients[geography.origin]
        self._next_hosts = dict.fromkeys(self._sites, FIRST_SERVICE_HOST)
        self._cpus = cpus
        self._backbone: Backbone | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            with claimed_subnet(_NETWORK_PREFIX) as self.network:
                for name, site in self._sites.items():
                    make_bridge(stack, site.bridge, self.pool(name))
            for name, site in self._sites.items():
                pool = self.pool(name)
                make_client(stack, site.client, site.bridge, site.client_link, pool, _NETWORK_PREFIX)
            self._backbone = stack.enter_context(Backbone([self._uplink(name) for name in self._sites], self._cpus))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def backbone(self) -> Backbone:
        """The process that joins the regions; after the lab's end it has its last report. RuntimeError before."""
        if self._backbone is None:
            raise RuntimeError("the lab is not up")
        return self._backbone

    def pool(self, region: str) -> IPv4Network:
        """The addresses of a region. Raises RuntimeError when the lab is not up."""
        if self.network is None:
            raise RuntimeError("the lab is not up")
        base = self.network.network_address + (self._sites[region].number << (32 - SUBNET_PREFIX))
        return IPv4Network((base, SUBNET_PREFIX))

    def region_of(self, ip: IPv4Address) -> str:
        """The region that an address of the lab is in. Raises ValueError for any other address."""
        for name in self._sites:
            if ip in self.pool(name):
                return name
        raise ValueError(f"{ip} is in no region")

    def address(self, role: str, spares: int = 0, region: str | None = None) -> LabAddress:
        """A free place in ``region`` (None: the origin's), with at least so many spares.

        The client of that region knows it already; for the others the backbone answers. Raises DeployError when the
        region is full.
        """
        name = region if region is not None else self.geography.origin
        first, after = free_block(self._next_hosts[name], spares)
        self._next_hosts[name] = after
        others = tuple(self._place_in(name, role, host) for host in range(first + 1, after))
        return self._place_in(name, role, first, others)

    def _place_in(self, region: str, role: str, host: int, spares: tuple[LabAddress, ...] = ()) -> LabAddress:
        site, pool = self._sites[region], self.pool(region)
        ip = pool.network_address + host
        mac = mac_of(ip)
        namespace.know_neighbour(site.client, ip, mac)
        return LabAddress(
            prefix=f"{self.prefix}-{role}",
            ip=ip,
            mac=mac,
            network=self.network,
            gateway=pool.network_address + 1,
            bridge=site.bridge,
            interface=f"{LINK_PREFIX}{self.tag}-{(site.number << (32 - SUBNET_PREFIX)) + host}",
            lab=self.prefix,
            client=site.client,
            spares=spares,
            region=region,
            pool=pool,
        )

    def close_to_client(self, ip: IPv4Address) -> None:
        """No region's client has a route to ``ip`` any more; the lab's other hosts do. Idempotent.

        Raises DeployError.
        """
        for client in self.clients.values():
            namespace.refuse_route(client, ip)

    def measure_rtts(self, hosts: Mapping[str, IPv4Address], echoes: int = 100) -> tuple[RttRecord, ...]:
        """What each region's client measures to each host (by instance's name), by so many ICMP echoes, 10 ms apart.

        Raises DeployError when a host answers none of a region's.
        """
        paths = [
            Path(region, host, ip, self.geography.rtt_ms(region, self.region_of(ip)))
            for region in self.clients
            for host, ip in hosts.items()
        ]
        return measure(self.clients, paths, echoes)

    def _uplink(self, region: str) -> Uplink:
        site, spec = self._sites[region], self.geography.region(region)
        return Uplink(
            tap=site.tap,
            bridge=site.bridge,
            pool=self.pool(region),
            rtts_ms=tuple(self.geography.rtt_ms(region, other) for other in self._sites),
            rate_mbit=spec.rate_mbit,
            loss=spec.loss,
        )
