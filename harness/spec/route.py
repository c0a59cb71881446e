"""Who answers which path. The standard library alone: the probers' own processes read it too."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Route:
    """Requests for ``prefix`` and for all that is below it are answered at ``ip:port``."""

    prefix: str
    ip: str
    port: int


@dataclass(frozen=True, slots=True)
class Way:
    """How a client connects: over TLS if ``tls_ca`` is given, through a forward proxy if ``forward_proxy`` is.

    ``tls_ca`` is a PEM file: what answers must have a certificate for its IP address from an authority in it. A proxy
    (IP address and port) is asked for everything, in absolute form, for the route's place.
    """

    tls_ca: str | None = None
    forward_proxy: tuple[str, int] | None = None


STRAIGHT = Way()
"""In the clear, to the service itself."""


def is_below(path: str, prefix: str) -> bool:
    """Whether ``path`` is ``prefix`` or a path below it. A query is no part of the path."""
    if not path.startswith(prefix):
        return False
    return len(path) == len(prefix) or prefix[-1:] == "/" or path[len(prefix)] in "/?"


def longest_prefix(path: str, prefixes: Iterable[str]) -> str:
    """The longest of ``prefixes`` that ``path`` is below. Raises ValueError if there is none."""
    fitting = [prefix for prefix in prefixes if is_below(path, prefix)]
    if not fitting:
        raise ValueError(f"no route leads to {path}")
    return max(fitting, key=len)


def route_of(path: str, routes: Iterable[Route]) -> Route:
    """The route of the longest prefix that ``path`` is below. Raises ValueError if there is none."""
    by_prefix = {route.prefix: route for route in routes}
    return by_prefix[longest_prefix(path, by_prefix)]
