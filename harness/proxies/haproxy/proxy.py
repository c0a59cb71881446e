"""Front ``haproxy``: a reverse proxy with one thread.

Health is passive, as far as HAProxy has it: it *observes* the traffic, and ``max_fails`` connections in a row that fail
mark an upstream down. HAProxy lets only an active check bring it back, so there is one (a TCP connection): right after
a failure at the earliest ``fail_timeout`` later, and then as often; while all is well once at the start and then once a
day, or every ``check_s`` if the experiment wants active checks, as replicas that come and go need them. As with nginx a
status is the service's own answer and no failure, nothing is counted of a single upstream, and a request that failed is
passed on to another upstream unless it is a POST that was already sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from harness.proxies.api import LOG_WORD, Certificate, Front, Rendered, Route
from harness.proxies.delivery import FOLDER
from harness.proxies.routing import (
    ANSWER_S,
    CLIENT_IDLE_S,
    CONNECT_S,
    CONNECTIONS,
    ROOT,
    TRIES,
    UPSTREAM_IDLE_S,
    Group,
    Table,
    fail_timeout,
    table,
)
from harness.spec.front import FrontSpec

_CONFIG = "haproxy.cfg"
_PEM = "front.pem"
_NO_ROUTE = "no-route"
_NOT_REPEATABLE = "METH_POST"
_BALANCE = {"round-robin": "roundrobin", "least-connections": "leastconn"}


class HaproxyFront(Front):
    """HAProxy as a reverse proxy."""

    name: ClassVar[str] = "haproxy"
    summary: ClassVar[str] = "HAProxy, a reverse proxy: routes by path, spreads the load, speaks TLS"
    packages: ClassVar[tuple[str, ...]] = ("haproxy",)
    user: ClassVar[str] = "haproxy"
    port: ClassVar[int] = 8080
    tls_port: ClassVar[int | None] = 8443
    checks: ClassVar[bool] = True

    def render(self, spec: FrontSpec, routes: Sequence[Route], certificate: Certificate | None) -> Rendered:
        routed = table(routes)
        sections = [_global(), _defaults(spec), _frontend(routed, certificate is not None)]
        sections += [_backend(spec, group) for group in routed.groups]
        sections += [] if _has_root(routed) else [_no_route()]
        return Rendered(
            files={_CONFIG: "\n".join(line for section in sections for line in section) + "\n"},
            argv=("haproxy", "-db", "-f", f"{FOLDER}/{_CONFIG}"),
            secrets={} if certificate is None else {_PEM: f"{certificate.chain_pem.rstrip()}\n{certificate.key_pem}"},
        )


def _global() -> Iterator[str]:
    yield "global"
    yield "    nbthread 1"
    yield f"    maxconn {CONNECTIONS}"
    yield "    log stdout format raw local0"
    yield "    ssl-default-bind-options ssl-min-ver TLSv1.2"


def _defaults(spec: FrontSpec) -> Iterator[str]:
    yield "defaults"
    yield "    mode http"
    yield "    log global"
    yield f'    log-format "{LOG_WORD} %ST %si:%sp"'
    yield "    option dontlognull"
    yield "    option forwardfor"
    yield "    option redispatch 1"
    yield f"    retries {TRIES - 1}"
    yield "    retry-on conn-failure empty-response response-timeout"
    yield f"    timeout connect {CONNECT_S}s"
    yield f"    timeout server {ANSWER_S}s"
    yield f"    timeout client {ANSWER_S}s"
    yield f"    timeout http-keep-alive {CLIENT_IDLE_S}s"
    yield f"    timeout queue {CONNECT_S}s"
    yield f"    balance {_BALANCE[spec.balance]}"
    yield "    http-reuse always" if spec.keepalive else "    option http-server-close"


def _frontend(routed: Table, tls: bool) -> Iterator[str]:
    yield "frontend clients"
    yield f"    bind :{HaproxyFront.tls_port} ssl crt {FOLDER}/{_PEM}" if tls else f"    bind :{HaproxyFront.port}"
    yield f"    http-request set-header X-Forwarded-Proto {'https' if tls else 'http'}"
    yield f"    http-request disable-l7-retry if {_NOT_REPEATABLE}"
    # The first rule whose condition holds counts, so they come longest prefix first.
    for number, (prefix, group) in enumerate(routed.rules):
        if prefix == ROOT:
            continue
        if prefix.endswith("/"):
            yield f"    acl route{number} path -m beg {quoted(prefix)}"
        else:
            yield f"    acl route{number} path -m str {quoted(prefix)}"
            yield f"    acl route{number} path -m beg {quoted(prefix + '/')}"
        yield f"    use_backend {group.name} if route{number}"
    default = next((group.name for prefix, group in routed.rules if prefix == ROOT), _NO_ROUTE)
    yield f"    default_backend {default}"


def _backend(spec: FrontSpec, group: Group) -> Iterator[str]:
    yield f"backend {group.name}"
    options = f"pool-max-conn {spec.keepalive} pool-purge-delay {UPSTREAM_IDLE_S}s" if spec.keepalive else ""
    if len(group.upstreams) > 1 and spec.max_fails:
        pause = f"{fail_timeout(spec)}s"
        often = f"{round(spec.check_s * 1000)}ms" if spec.check_s else ""
        options += f" check inter {often or '1d'} fastinter {often or pause} downinter {often or pause} rise 1 fall 1"
        options += f" observe layer4 error-limit {spec.max_fails} on-error mark-down"
    for number, upstream in enumerate(group.upstreams, 1):
        yield f"    server upstream{number} {upstream.address} {options}".rstrip()


def _no_route() -> Iterator[str]:
    yield f"backend {_NO_ROUTE}"
    yield "    http-request return status 404"


def _has_root(routed: Table) -> bool:
    return any(prefix == ROOT for prefix, _ in routed.rules)


def quoted(word: str) -> str:
    """A word that HAProxy reads back as it is: in single quotes nothing means anything but the quote itself."""
    return "'" + word.replace("'", "'\\''") + "'"
