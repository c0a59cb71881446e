"""Front ``nginx``: a reverse proxy with one worker.

Routes are matched on the path as the client sent it (nginx's own locations decode it first), by a map of which the
first matching rule counts. An upstream that failed ``max_fails`` times within ``fail_timeout`` (an error or a time-out;
not a status, which is the service's own answer) is left alone for as long, then tried with the next request. Of a
single upstream nothing is counted. A request that failed is passed on to the next upstream unless it is a POST that was
already sent.
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
    REQUESTS_PER_CONNECTION,
    ROOT,
    TRIES,
    UPSTREAM_IDLE_S,
    Group,
    Table,
    below,
    fail_timeout,
    table,
)
from harness.spec.front import FrontSpec

_CONFIG = "nginx.conf"
_TEMPORARY = ("client_body", "proxy", "fastcgi", "scgi", "uwsgi")


class NginxFront(Front):
    """nginx as a reverse proxy."""

    name: ClassVar[str] = "nginx"
    summary: ClassVar[str] = "nginx, a reverse proxy: routes by path, spreads the load, speaks TLS"
    packages: ClassVar[tuple[str, ...]] = ("nginx-light",)
    user: ClassVar[str] = "www-data"
    port: ClassVar[int] = 8080
    tls_port: ClassVar[int | None] = 8443

    def render(self, spec: FrontSpec, routes: Sequence[Route], certificate: Certificate | None) -> Rendered:
        lines = [*_main(), "http {", *indented(self._http(spec, table(routes), certificate is not None)), "}"]
        secrets = {} if certificate is None else {"chain.pem": certificate.chain_pem, "key.pem": certificate.key_pem}
        return Rendered(
            files={_CONFIG: "\n".join(lines) + "\n"},
            argv=("nginx", "-e", "stderr", "-c", f"{FOLDER}/{_CONFIG}"),
            secrets=secrets,
        )

    def of_http(self, spec: FrontSpec) -> Iterator[str]:  # noqa: ARG002 - a plain proxy adds nothing
        """What a kind of nginx adds to the block ``http``."""
        yield from ()

    def of_server(self, spec: FrontSpec) -> Iterator[str]:  # noqa: ARG002 - see above
        """What a kind of nginx adds to the block ``server``: here, what services are told of the client's host."""
        yield "proxy_set_header Host $http_host;"

    def _http(self, spec: FrontSpec, routed: Table, tls: bool) -> Iterator[str]:
        yield f"log_format served '{LOG_WORD} $status $upstream_addr';"
        yield "access_log /dev/stdout served;"
        yield from (f"{kind}_temp_path {FOLDER}/{kind};" for kind in _TEMPORARY)
        yield from self.of_http(spec)
        for group in routed.groups:
            yield f"upstream {group.name} {{"
            yield from indented(_upstream(spec, group))
            yield "}"
        yield "map $request_uri $group {"
        yield from indented(_rules(routed))
        yield "}"
        yield "server {"
        yield from indented(_server(spec, tls))
        yield from indented(self.of_server(spec))
        yield '    if ($group = "") { return 404; }'
        yield "    location / { proxy_pass http://$group; }"
        yield "}"


def _main() -> Iterator[str]:
    yield "daemon off;"
    yield "worker_processes 1;"
    yield f"worker_rlimit_nofile {3 * CONNECTIONS};"
    yield f"pid {FOLDER}/nginx.pid;"
    yield "error_log stderr error;"
    yield f"events {{ worker_connections {2 * CONNECTIONS}; }}"


def _upstream(spec: FrontSpec, group: Group) -> Iterator[str]:
    if spec.balance == "least-connections":
        yield "least_conn;"
    for upstream in group.upstreams:
        yield f"server {upstream.address} max_fails={spec.max_fails} fail_timeout={fail_timeout(spec)}s;"
    if spec.keepalive:
        # nginx counts the idle connections of the whole group.
        yield f"keepalive {spec.keepalive * len(group.upstreams)};"
        yield f"keepalive_timeout {UPSTREAM_IDLE_S}s;"
        yield f"keepalive_requests {REQUESTS_PER_CONNECTION};"


def _rules(routed: Table) -> Iterator[str]:
    """The first expression that matches counts, so they come longest prefix first; ``default`` is for the rest."""
    fallback = '""'
    for prefix, group in routed.rules:
        if prefix == ROOT:
            fallback = group.name
        else:
            yield f'"~{below(prefix)}" {group.name};'
    yield f"default {fallback};"


def _server(spec: FrontSpec, tls: bool) -> Iterator[str]:
    if tls:
        yield f"listen {NginxFront.tls_port} ssl backlog={CONNECTIONS};"
        yield f"ssl_certificate {FOLDER}/chain.pem;"
        yield f"ssl_certificate_key {FOLDER}/key.pem;"
        yield "ssl_protocols TLSv1.2 TLSv1.3;"
        yield "ssl_session_cache shared:tls:1m;"
    else:
        yield f"listen {NginxFront.port} backlog={CONNECTIONS};"
    yield f"keepalive_timeout {CLIENT_IDLE_S}s;"
    yield f"keepalive_requests {REQUESTS_PER_CONNECTION};"
    # How large a body may be is the service's business, and a response is never put on disk on its way.
    yield "client_max_body_size 0;"
    yield "client_body_buffer_size 128k;"
    yield "proxy_buffers 32 8k;"
    yield "proxy_max_temp_file_size 0;"
    yield f"proxy_connect_timeout {CONNECT_S}s;"
    yield f"proxy_send_timeout {ANSWER_S}s;"
    yield f"proxy_read_timeout {ANSWER_S}s;"
    yield "proxy_next_upstream error timeout;"
    yield f"proxy_next_upstream_tries {TRIES};"
    yield "proxy_http_version 1.1;"
    yield f'proxy_set_header Connection "{"" if spec.keepalive else "close"}";'
    yield "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
    yield "proxy_set_header X-Forwarded-Proto $scheme;"


def indented(lines: Iterator[str]) -> Iterator[str]:
    """The lines of a block."""
    return (f"    {line}" for line in lines)
