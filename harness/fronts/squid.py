"""Front ``squid``: a forward proxy that stores nothing and lets clients through to an allow list alone.

Clients send absolute-form requests (``GET http://host:port/path``). What is not on the list is refused with 403, and so
is every CONNECT, which would be a tunnel to anything behind an allowed address. Hosts are compared as the client names
them: no name is looked up to be refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network
from typing import ClassVar

from harness.errors import SpecError
from harness.fronts.api import LOG_WORD, Certificate, Front, Rendered, Route
from harness.fronts.delivery import FOLDER
from harness.fronts.routing import ANSWER_S, CLIENT_IDLE_S, CONNECT_S, CONNECTIONS, UPSTREAM_IDLE_S
from harness.spec.front import FrontSpec

_CONFIG = "squid.conf"
_HOST_NAME = re.compile(r"\.?(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*")
_DESCRIPTORS = 4 * CONNECTIONS
_MAX_PORT = 65_535


class SquidFront(Front):
    """Squid as a forward proxy."""

    name: ClassVar[str] = "squid"
    summary: ClassVar[str] = "Squid, a forward proxy: lets clients through to an allow list, stores nothing"
    packages: ClassVar[tuple[str, ...]] = ("squid",)
    user: ClassVar[str] = "proxy"
    port: ClassVar[int] = 3128
    forward: ClassVar[bool] = True

    def render(self, spec: FrontSpec, routes: Sequence[Route], certificate: Certificate | None) -> Rendered:  # noqa: ARG002 - it speaks no TLS
        upstreams = dict.fromkeys(upstream.address for route in routes for upstream in route.upstreams)
        lines = [*_what_it_is(), *_access(spec.allow or tuple(upstreams)), *_how_it_treats_connections(spec)]
        return Rendered(files={_CONFIG: "\n".join(lines) + "\n"}, argv=("squid", "-N", "-f", f"{FOLDER}/{_CONFIG}"))


def _what_it_is() -> Iterator[str]:
    yield f"http_port {SquidFront.port}"
    # Without a name it would ask the host's resolver for one; and no question of a client's leaves the lab.
    yield "visible_hostname front"
    yield "dns_nameservers 127.0.0.1"
    yield "pid_filename none"
    yield f"coredump_dir {FOLDER}"
    yield f"logformat {LOG_WORD} {LOG_WORD} %>Hs %<a:%<p"
    yield f"access_log stdio:/dev/stdout logformat={LOG_WORD}"
    yield "cache_log /dev/stderr"
    yield "cache deny all"
    yield "cache_mem 8 MB"
    yield "pinger_enable off"
    yield "netdb_filename none"
    yield "shutdown_lifetime 0 seconds"
    # Left alone, it lays out a table for every descriptor that its limit allows, which may be a million.
    yield f"max_filedescriptors {_DESCRIPTORS}"


def _access(allow: Sequence[str]) -> Iterator[str]:
    yield "acl tunnel method CONNECT"
    yield "http_access deny tunnel"
    for number, place in enumerate(allow, 1):
        host, port = destination(place)
        kind = "dst -n" if isinstance(host, IPv4Network) else "dstdomain -n"
        yield f"acl host{number} {kind} {host}"
        if port is None:
            yield f"http_access allow host{number}"
        else:
            yield f"acl port{number} port {port}"
            yield f"http_access allow host{number} port{number}"
    yield "http_access deny all"


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


def _how_it_treats_connections(spec: FrontSpec) -> Iterator[str]:
    yield f"server_persistent_connections {'on' if spec.keepalive else 'off'}"
    yield f"pconn_timeout {UPSTREAM_IDLE_S} seconds"
    yield f"client_idle_pconn_timeout {CLIENT_IDLE_S} seconds"
    yield f"connect_timeout {CONNECT_S} seconds"
    yield f"read_timeout {ANSWER_S} seconds"
    yield "forward_timeout 5 seconds"
