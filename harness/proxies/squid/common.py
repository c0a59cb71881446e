"""What Squid is told in either of its fronts: as a forward proxy, and as a cache before the services."""

from __future__ import annotations

from collections.abc import Iterator

from harness.proxies.api import LOG_WORD
from harness.proxies.caching import HOST
from harness.proxies.delivery import FOLDER
from harness.proxies.routing import ANSWER_S, CLIENT_IDLE_S, CONNECT_S, CONNECTIONS, UPSTREAM_IDLE_S
from harness.spec.front import FrontSpec

_DESCRIPTORS = 4 * CONNECTIONS


def how_it_runs() -> Iterator[str]:
    """In the foreground, alone, with the log format ``served`` defined; which requests are logged is not said here."""
    # Without a name it would ask the host's resolver for one; and no question of a client's leaves the lab.
    yield f"visible_hostname {HOST}"
    yield "dns_nameservers 127.0.0.1"
    yield "pid_filename none"
    yield f"coredump_dir {FOLDER}"
    yield f"logformat {LOG_WORD} {LOG_WORD} %>Hs %<a:%<p"
    yield "cache_log /dev/stderr"
    yield "pinger_enable off"
    yield "netdb_filename none"
    yield "shutdown_lifetime 0 seconds"
    # Left alone, it lays out a table for every descriptor that its limit allows, which may be a million.
    yield f"max_filedescriptors {_DESCRIPTORS}"


def how_it_treats_connections(spec: FrontSpec) -> Iterator[str]:
    """How long it waits for whom, and what it keeps open."""
    yield f"server_persistent_connections {'on' if spec.keepalive else 'off'}"
    yield f"pconn_timeout {UPSTREAM_IDLE_S} seconds"
    yield f"client_idle_pconn_timeout {CLIENT_IDLE_S} seconds"
    yield f"connect_timeout {CONNECT_S} seconds"
    yield f"read_timeout {ANSWER_S} seconds"
    yield "forward_timeout 5 seconds"
