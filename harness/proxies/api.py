"""The contract of proxies. The contract suite (``tests/system/proxies/test_proxies.py``) holds every proxy to it."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import ClassVar

from harness.artifacts.api import Artifact
from harness.artifacts.builders.packages import build_packages
from harness.errors import SpecError
from harness.proxies.caching import CacheSize, OutcomeHeader, check, with_size
from harness.proxies.delivery import delivered
from harness.records.capabilities import ProxyCapabilities
from harness.spec.proxy import ProxySpec
from harness.spec.service import Readiness, ServiceSpec

SUITE = "bookworm"
LOG_WORD = "served"
"""Begins the line that a proxy prints for each request: ``served STATUS ADDRESS``."""

_SERVED = re.compile(rf"^{LOG_WORD} \d{{3}} (?:.*[ ,])?(\d+(?:\.\d+){{3}}:\d+)\s*$", re.MULTILINE)
_PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*")
"""The characters that RFC 3986 (3.3) gives a path."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """One instance of a service. ``host`` is an IPv4 address; raises ValueError for anything else."""

    name: str
    host: str
    port: int

    def __post_init__(self) -> None:
        IPv4Address(self.host)
        if not 0 < self.port < 65_536:
            raise ValueError(f"not a port: {self.port}")

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Route:
    """Who answers below a path prefix: ``/``, or ``/payments`` for that path and all below it."""

    prefix: str
    upstreams: tuple[Upstream, ...]


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM texts: the proxy's certificate with what is between it and its authority, its key, and what clients trust."""

    chain_pem: str
    key_pem: str = field(repr=False)
    ca_pem: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a proxy is started with. Both kinds of files are written to ``delivery.FOLDER`` before ``argv`` is run.

    ``files`` are kept with the trial; ``secrets`` (a private key) are not.
    """

    files: dict[str, str]
    argv: tuple[str, ...]
    secrets: dict[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class ProxyService:
    """A proxy that any target can launch. ``artifact`` has ``spec`` in its configuration already, as a workload's has.

    ``files``: the configuration as it was rendered, by name. There is no private key in it.
    """

    artifact: Artifact
    spec: ServiceSpec
    files: dict[str, str]


class Proxy(ABC):
    """A kind of proxy.

    It runs as an unprivileged user, on one thread, in the foreground. Its configuration reaches it through the
    environment and never changes the artifact's tree. It prints one short line for each request, which says who served
    it: what that line costs is part of what is measured, and the same for every proxy.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    """One line for ``tare doctor``: what it is."""

    packages: ClassVar[tuple[str, ...]]
    """The Debian packages it is built from."""

    user: ClassVar[str]
    """Who it runs as; one of the packages brings that user."""

    port: ClassVar[int]
    tls_port: ClassVar[int | None] = None
    """Where it speaks TLS; None if it cannot."""

    checks: ClassVar[bool] = False
    """Whether it can ask its upstreams for their health by itself."""

    forward: ClassVar[bool] = False
    """A forward proxy: clients name the service in the request (absolute form), and it only lets them through."""

    balances: ClassVar[frozenset[str]] = frozenset({"round-robin", "least-connections"})
    """How it can spread requests over several upstreams."""

    logs: ClassVar[bool] = True
    """Whether it prints who served each request. If it does not, what the services count stands in for it."""

    policies: ClassVar[frozenset[str]] = frozenset()
    """The eviction policies that it has; empty if it caches nothing."""

    lacks: ClassVar[frozenset[str]] = frozenset()
    """Keys of the table ``cache`` that it cannot do; they are refused unless they have their defaults."""

    stale_ends: ClassVar[bool] = True
    """Whether it keeps to the seconds for which something stale may be served; if not, any number means: for ever."""

    outcome: ClassVar[OutcomeHeader | None] = None
    """Where it says what its cache made of a request; None if it caches nothing."""

    minimum_bytes: ClassVar[int] = 0
    """The smallest capacity that its cache works with."""

    makes_room_s: ClassVar[float] = 0.0
    """How long its full cache grows beyond the capacity before it evicts what is too much; 0: it is never too much."""

    overhead_bytes: ClassVar[int] = 0
    """What each object takes of the capacity beside its body; measured, see docs/adding-a-proxy.md."""

    @classmethod
    def capabilities(cls) -> ProxyCapabilities:
        """What a campaign's manifest keeps of it."""
        return ProxyCapabilities(cls.forward, tuple(sorted(cls.policies)))

    def prepare(self) -> Artifact:
        """Build its root file system once, or take it from the cache. Raises Unavailable or BuildError."""
        return self._artifact(ServiceSpec(argv=("/bin/sh",), port=self.port, user=self.user))

    def proxy_service(
        self,
        spec: ProxySpec,
        routes: Sequence[Route],
        certificate: Certificate | None = None,
        ready: Readiness | None = None,
        cache: CacheSize | None = None,
    ) -> ProxyService:
        """The service that passes requests on to ``routes``, each to the upstreams of its longest matching prefix.

        ``certificate`` is needed if ``spec.tls``. ``ready`` is how its readiness is checked. ``cache`` is the capacity
        of a proxy that caches, if it is not the ``size_mib`` of the specification. Raises SpecError for what cannot be
        asked of this proxy: no upstreams, several of them of a forward proxy, TLS where it speaks none, a prefix that
        is no path, a cache where it has none, a policy that it lacks, a capacity that is too small for it.
        """
        self._check(spec, routes)
        check(self.name, self.policies, self.lacks, self.minimum_bytes, spec, cache)
        if spec.tls and certificate is None:
            raise SpecError(f"proxy {self.name}: TLS needs a certificate", "give one, or set tls = false")
        if self.policies:
            spec = with_size(spec, cache)
        rendered = self.render(spec, routes, certificate if spec.tls else None)
        argv, env = delivered({**rendered.files, **rendered.secrets}, rendered.argv)
        service = ServiceSpec(
            argv=argv,
            env=env,
            workdir="/",
            user=self.user,
            port=(self.tls_port if spec.tls else None) or self.port,
            ready=ready or Readiness(),
        )
        return ProxyService(artifact=self._artifact(service), spec=service, files=rendered.files)

    @abstractmethod
    def render(self, spec: ProxySpec, routes: Sequence[Route], certificate: Certificate | None) -> Rendered:
        """Configuration and command. Pure; what it is given has been checked. TLS if there is a certificate.

        For a proxy that caches ``spec.cache`` is there, and its ``size_mib`` is the capacity, to the byte.
        """

    def effective_bytes(self, size: int, mean_object_bytes: float, policy: str) -> int:  # noqa: ARG002 - for who differs
        """The bytes of objects' bodies that a cache of ``size`` bytes holds once it is full."""
        return round(size * mean_object_bytes / (mean_object_bytes + self.overhead_bytes))

    def served(self, log: str) -> dict[str, int]:
        """Requests by the upstream (``ip:port``) that each was passed to, the last one if it was passed on.

        ``log`` is the proxy's standard output. Requests that reached no upstream are not counted.
        """
        return dict(Counter(match[1] for match in _SERVED.finditer(log)))

    def _artifact(self, service: ServiceSpec) -> Artifact:
        return build_packages(self.name, SUITE, self.packages, service, f"proxy {self.name} on Debian {SUITE}")

    def _check(self, spec: ProxySpec, routes: Sequence[Route]) -> None:
        if not routes:
            raise SpecError(f"proxy {self.name} has no upstreams", "give the topology a route to a service")
        for route in routes:
            if not route.upstreams:
                raise SpecError(f"proxy {self.name}: {route.prefix} has no upstreams", "give its service an instance")
            if not _PATH.fullmatch(route.prefix):
                raise SpecError(
                    f"proxy {self.name} cannot route {route.prefix!r}", "use the characters of a path: no '?', no '#'"
                )
            if self.forward and len(route.upstreams) > 1:
                raise SpecError(
                    f"proxy {self.name} is a forward proxy and spreads no load, but {route.prefix} has "
                    f"{len(route.upstreams)} upstreams",
                    "use 1 replica with it, or a reverse proxy",
                )
        if len({route.prefix for route in routes}) != len(routes):
            raise SpecError(f"proxy {self.name}: a prefix is routed twice", "give each prefix one route")
        if spec.balance not in self.balances:
            raise SpecError(f"proxy {self.name} cannot balance by {spec.balance}", f"use {', '.join(self.balances)}")
        if spec.tls and self.tls_port is None:
            raise SpecError(f"proxy {self.name} speaks no TLS to its clients", "set tls = false, or use another proxy")
        if spec.check_s is not None and not self.checks:
            raise SpecError(f"proxy {self.name} has no active health checks", "remove check_s, or use another proxy")
        if spec.allow and not self.forward:
            raise SpecError(f"proxy {self.name} is no forward proxy: it has no allow list", "remove allow")
