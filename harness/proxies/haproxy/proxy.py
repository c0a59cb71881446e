"""Proxy ``haproxy``: a reverse proxy with one thread.

Health is passive, as far as HAProxy has it: it *observes* the traffic, and ``max_fails`` connections in a row that fail
mark an upstream down. HAProxy lets only an active check bring it back, so there is one (a TCP connection): right after
a failure at the earliest ``fail_timeout`` later, and then as often; while all is well once at the start and then once a
day, or every ``check_s`` if the experiment wants active checks, as replicas that come and go need them. As with nginx a
status is the service's own answer and no failure, nothing is counted of a single upstream, and a request that failed is
passed on to another upstream unless it is a POST that was already sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from harness.proxies.api import Certificate, Proxy, Rendered, Route
from harness.proxies.delivery import FOLDER
from harness.proxies.routing import fail_timeout, table
from harness.proxies.templates import configuration
from harness.spec.proxy import ProxySpec

_CONFIG = "haproxy.cfg"
_PEM = "proxy.pem"
_BALANCE = {"round-robin": "roundrobin", "least-connections": "leastconn"}


class HaproxyProxy(Proxy):
    """HAProxy as a reverse proxy."""

    name: ClassVar[str] = "haproxy"
    summary: ClassVar[str] = "HAProxy, a reverse proxy: routes by path, spreads the load, speaks TLS"
    packages: ClassVar[tuple[str, ...]] = ("haproxy",)
    user: ClassVar[str] = "haproxy"
    port: ClassVar[int] = 8080
    tls_port: ClassVar[int | None] = 8443
    checks: ClassVar[bool] = True

    def render(self, spec: ProxySpec, routes: Sequence[Route], certificate: Certificate | None) -> Rendered:
        text = configuration(
            "haproxy/haproxy.cfg",
            spec=spec,
            table=table(routes),
            quoted=quoted,
            balance=_BALANCE[spec.balance],
            check=f"{round(spec.check_s * 1000)}ms" if spec.check_s else "",
            pause=f"{fail_timeout(spec)}s",
            pem=_PEM,
            port=self.port,
            tls_port=None if certificate is None else self.tls_port,
        )
        return Rendered(
            files={_CONFIG: text},
            argv=("haproxy", "-db", "-f", f"{FOLDER}/{_CONFIG}"),
            secrets={} if certificate is None else {_PEM: f"{certificate.chain_pem.rstrip()}\n{certificate.key_pem}"},
        )


def quoted(word: str) -> str:
    """A word that HAProxy reads back as it is: in single quotes nothing means anything but the quote itself."""
    return "'" + word.replace("'", "'\\''") + "'"
