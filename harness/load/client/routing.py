"""Which connection a path's request goes over, and how it names its target: made once, shared by all sessions."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import LoadError
from harness.load.client.connection import Activity, Connection
from harness.load.client.netns import Namespace
from harness.load.client.tls import TlsConnection
from harness.spec.route import STRAIGHT, Route, Way, is_below

_MATCHES_ALL = "/"


@dataclass(frozen=True, slots=True)
class PathTarget:
    """Where requests for ``prefix`` go. ``connection_index``: the connection's place among the session's.

    ``host``: the Host header. ``origin``: what precedes the path in the request line (the absolute form that a proxy
    wants), else empty.
    """

    prefix: str
    connection_index: int
    host: str
    origin: str


class Routing:
    """The routes to a set of services. ``addresses``: what sessions connect to, each once, or the proxy alone.

    Raises LoadError when the ``way``'s certificate cannot be used. ``netns`` is the network namespace that connections
    are opened in; None: the process's own.
    """

    def __init__(self, routes: Sequence[Route], way: Way = STRAIGHT, netns: Namespace | None = None) -> None:
        self._netns = netns
        self._context = None if way.tls_ca is None else _context(way.tls_ca)
        services = [(route.ip, route.port) for route in routes]
        self.addresses = list(dict.fromkeys([way.forward_proxy] if way.forward_proxy else services))
        targets = []
        for route, address in zip(routes, services, strict=True):
            host = f"{route.ip}:{route.port}"
            index = 0 if way.forward_proxy else self.addresses.index(address)
            targets.append(PathTarget(route.prefix, index, host, f"http://{host}" if way.forward_proxy else ""))
        # The first that fits is then the one of the longest prefix.
        self._targets = sorted(targets, key=lambda target: len(target.prefix), reverse=True)
        self._only = targets[0] if len(targets) == 1 and targets[0].prefix == _MATCHES_ALL else None

    def target_of(self, path: str) -> PathTarget:
        """That of the longest prefix that ``path`` is below. Raises ValueError if no route leads there."""
        if self._only is not None:
            return self._only
        for target in self._targets:
            if is_below(path, target.prefix):
                return target
        raise ValueError(f"no route leads to {path}")

    def connections(self, timeout_s: float, activity: Activity | None) -> tuple[Connection, ...]:
        """A connection for each address, none of them open yet."""
        context, netns = self._context, self._netns
        if context is None:
            return tuple(Connection(address, timeout_s, activity, netns) for address in self.addresses)
        return tuple(TlsConnection(address, timeout_s, context, activity, netns) for address in self.addresses)


def _context(tls_ca: str) -> ssl.SSLContext:
    """Verifies what it talks to, also the name, which is an IP address here."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(tls_ca)
    except OSError as error:
        raise LoadError(f"the authority's certificate {tls_ca} cannot be used: {error}", "look at the file") from error
    return context
