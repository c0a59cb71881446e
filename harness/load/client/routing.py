"""Which connection a path's request goes over, and how it names its place: made once, shared by all sessions."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from harness.errors import LoadError
from harness.load.client.connection import Activity, Connection
from harness.load.client.netns import Namespace
from harness.load.client.tls import TlsConnection
from harness.load.plan.load_plan import LoadPlan
from harness.spec.route import Route, is_below

_MATCHES_ALL = "/"


@dataclass(frozen=True, slots=True)
class Way:
    """``hop``: the connection's number. ``host``: the Host header. ``before``: what precedes the path in the request
    line (the absolute form that a proxy wants), else empty."""

    prefix: str
    hop: int
    host: str
    before: str


class Ways:
    """The ways to a set of services. ``hops`` are the places to connect to: each once, or the proxy alone.

    With ``tls_ca`` (a PEM file) every connection speaks TLS; raises LoadError when that file cannot be used. ``place``
    is the network namespace that connections are opened in; None: the process's own.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        *,
        tls_ca: str | None = None,
        proxy: tuple[str, int] | None = None,
        place: Namespace | None = None,
    ) -> None:
        self._place = place
        self._context = None if tls_ca is None else _context(tls_ca)
        places = [(route.ip, route.port) for route in routes]
        self.hops = list(dict.fromkeys([proxy] if proxy else places))
        ways = []
        for route, address in zip(routes, places, strict=True):
            host = f"{route.ip}:{route.port}"
            hop = 0 if proxy else self.hops.index(address)
            ways.append(Way(route.prefix, hop, host, f"http://{host}" if proxy else ""))
        # The first that fits is then the one of the longest prefix.
        self._ways = sorted(ways, key=lambda way: len(way.prefix), reverse=True)
        self._only = self._ways[0] if len(ways) == 1 and ways[0].prefix == _MATCHES_ALL else None

    @classmethod
    def of(cls, plan: LoadPlan) -> Self:
        """The ways of a load plan."""
        return cls(plan.routes, tls_ca=plan.tls_ca, proxy=plan.proxy)

    def to(self, path: str) -> Way:
        """The way of the longest prefix that ``path`` is below. Raises ValueError if no route leads there."""
        if self._only is not None:
            return self._only
        for way in self._ways:
            if is_below(path, way.prefix):
                return way
        raise ValueError(f"no route leads to {path}")

    def connections(self, timeout_s: float, activity: Activity | None) -> tuple[Connection, ...]:
        """A connection for each hop, none of them open yet."""
        context, place = self._context, self._place
        if context is None:
            return tuple(Connection(*hop, timeout_s, activity, place=place) for hop in self.hops)
        return tuple(TlsConnection(*hop, timeout_s, activity, place=place, context=context) for hop in self.hops)


def _context(tls_ca: str) -> ssl.SSLContext:
    """Verifies what it talks to, also the name, which is an IP address here."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(tls_ca)
    except OSError as error:
        raise LoadError(f"the authority's certificate {tls_ca} cannot be used: {error}", "look at the file") from error
    return context
