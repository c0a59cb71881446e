"""Proxy ``nginx``: a reverse proxy with one worker.

Routes are matched on the path as the client sent it (nginx's own locations decode it first), by a map of which the
first matching rule counts. An upstream that failed ``max_fails`` times within ``fail_timeout`` (an error or a time-out;
not a status, which is the service's own answer) is left alone for as long, then tried with the next request. Of a
single upstream nothing is counted. A request that failed is passed on to the next upstream unless it is a POST that was
already sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from harness.proxies.api import Certificate, Proxy, Rendered, Route
from harness.proxies.delivery import FOLDER
from harness.proxies.routing import below, fail_timeout, table
from harness.proxies.templates import configuration
from harness.spec.proxy import ProxySpec

_CONFIG = "nginx.conf"


class NginxProxy(Proxy):
    """nginx as a reverse proxy."""

    name: ClassVar[str] = "nginx"
    summary: ClassVar[str] = "nginx, a reverse proxy: routes by path, spreads the load, speaks TLS"
    packages: ClassVar[tuple[str, ...]] = ("nginx-light",)
    user: ClassVar[str] = "www-data"
    port: ClassVar[int] = 8080
    tls_port: ClassVar[int | None] = 8443

    template: ClassVar[str] = "nginx/nginx.conf"

    def render(self, spec: ProxySpec, routes: Sequence[Route], certificate: Certificate | None) -> Rendered:
        text = configuration(
            self.template,
            spec=spec,
            table=table(routes),
            below=below,
            fail_timeout_s=fail_timeout(spec),
            port=self.port,
            tls_port=None if certificate is None else self.tls_port,
            **self.of_kind(spec),
        )
        secrets = {} if certificate is None else {"chain.pem": certificate.chain_pem, "key.pem": certificate.key_pem}
        return Rendered(
            files={_CONFIG: text}, argv=("nginx", "-e", "stderr", "-c", f"{FOLDER}/{_CONFIG}"), secrets=secrets
        )

    def of_kind(self, spec: ProxySpec) -> dict[str, object]:  # noqa: ARG002 - a plain proxy needs nothing else
        """What the template of a kind of nginx needs beside what all kinds do."""
        return {}
