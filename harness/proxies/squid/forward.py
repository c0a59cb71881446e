"""Proxy ``squid``: a forward proxy that stores nothing and lets clients through to an allow list alone.

Clients send absolute-form requests (``GET http://host:port/path``). What is not on the list is refused with 403, and so
is every CONNECT, which would be a tunnel to anything behind an allowed address. Hosts are compared as the client names
them: no name is looked up to be refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Network
from typing import ClassVar

from harness.errors import SpecError
from harness.proxies.api import Certificate, Proxy, Rendered, Route
from harness.proxies.delivery import FOLDER
from harness.proxies.templates import configuration
from harness.spec.proxy import ProxySpec

_CONFIG = "squid.conf"
_HOST_NAME = re.compile(r"\.?(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*")
_MAX_PORT = 65_535


class SquidProxy(Proxy):
    """Squid as a forward proxy."""

    name: ClassVar[str] = "squid"
    summary: ClassVar[str] = "Squid, a forward proxy: lets clients through to an allow list, stores nothing"
    packages: ClassVar[tuple[str, ...]] = ("squid",)
    user: ClassVar[str] = "proxy"
    port: ClassVar[int] = 3128
    forward: ClassVar[bool] = True

    def render(self, spec: ProxySpec, routes: Sequence[Route], certificate: Certificate | None) -> Rendered:  # noqa: ARG002 - it speaks no TLS
        upstreams = dict.fromkeys(upstream.address for route in routes for upstream in route.upstreams)
        allowed = [destination(place) for place in spec.allow or upstreams]
        text = configuration(
            "squid/forward.conf",
            spec=spec,
            port=self.port,
            allow=[(host, port, isinstance(host, IPv4Network)) for host, port in allowed],
        )
        return Rendered(files={_CONFIG: text}, argv=("squid", "-N", "-f", f"{FOLDER}/{_CONFIG}"))


def destination(place: str) -> tuple[IPv4Network | str, int | None]:
    """Host and port of an entry of an allow list: an address, a network or a name, with ``:port`` if it is but one.

    Raises SpecError for anything else.
    """
    host, colon, port = place.partition(":")
    wrong = SpecError(
        f"allow: {place!r} is no destination", "give an address, a network (198.18.0.0/24) or a name, with :port or not"
    )
    if colon and not (port.isascii() and port.isdigit() and 0 < int(port) <= _MAX_PORT):
        raise wrong
    number = int(port) if colon else None
    if re.fullmatch(r"[0-9./]+", host):
        try:
            return IPv4Network(host), number
        except ValueError:
            raise wrong from None
    if not _HOST_NAME.fullmatch(host):
        raise wrong
    return host, number
