"""Proxy ``varnish``: Varnish as a cache, its policies LRU and FIFO.

Both are Varnish's one list, from whose end objects are evicted: LRU moves an object to its beginning with every hit
(``lru_interval=0``), FIFO never (an interval that outlasts any experiment). What the rules of the cache are stands in
``vcl``. Varnish spreads requests over upstreams in turn, speaks no TLS to its clients, and prints nothing about
requests: a second program would have to read its log, so the services' own counts stand in for that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from harness.proxies.api import Certificate, Proxy, Rendered, Route
from harness.proxies.caching import OutcomeHeader, size_bytes
from harness.proxies.delivery import FOLDER
from harness.proxies.routing import ANSWER_S, CLIENT_IDLE_S, CONNECT_S, CONNECTIONS, UPSTREAM_IDLE_S, table
from harness.proxies.varnish.vcl import OUTCOME, vcl
from harness.spec.proxy import CacheSpec, ProxySpec
from harness.units import MIB

_CONFIG = "proxy.vcl"
_NEVER_S = 1_000_000
_LRU_INTERVAL_S = {"lru": 0, "fifo": _NEVER_S}
_TRANSIENT_BYTES = 64 * MIB
"""For what passes through. It is no part of the cache's capacity, and without a bound it would have none."""

_THREADS = 1000
"""The most at once. A request takes one, its fetch another; who waits for another request's fetch takes none."""


class VarnishProxy(Proxy):
    """Varnish as a reverse proxy that caches."""

    name: ClassVar[str] = "varnish"
    summary: ClassVar[str] = "Varnish, a cache in memory: LRU or FIFO, collapses requests, serves stale"
    packages: ClassVar[tuple[str, ...]] = ("varnish",)
    user: ClassVar[str] = "varnish"
    port: ClassVar[int] = 8080
    balances: ClassVar[frozenset[str]] = frozenset({"round-robin"})
    logs: ClassVar[bool] = False
    policies: ClassVar[frozenset[str]] = frozenset(_LRU_INTERVAL_S)
    outcome: ClassVar[OutcomeHeader | None] = OutcomeHeader(
        OUTCOME, (("hit", "hit"), ("miss", "miss"), ("stale", "stale"), ("pass", "pass"))
    )
    minimum_bytes: ClassVar[int] = MIB
    """Varnish itself refuses less."""

    overhead_bytes: ClassVar[int] = 390

    def render(self, spec: ProxySpec, routes: Sequence[Route], certificate: Certificate | None) -> Rendered:  # noqa: ARG002 - it speaks no TLS
        cache = spec.cache or CacheSpec()
        argv = ("varnishd", "-F", "-j", "none", "-n", f"{FOLDER}/varnish", "-i", "proxy", "-T", "none")
        storage = ("-s", f"main=malloc,{size_bytes(cache)}", "-s", f"Transient=malloc,{_TRANSIENT_BYTES}")
        parameters = (word for parameter in _parameters(cache) for word in ("-p", parameter))
        return Rendered(
            files={_CONFIG: vcl(spec, cache, table(routes))},
            argv=(*argv, "-f", f"{FOLDER}/{_CONFIG}", "-a", f"0.0.0.0:{self.port}", *storage, *parameters),
        )

    def served(self, log: str) -> dict[str, int]:  # noqa: ARG002 - see the module
        """Nothing: see the module."""
        return {}


def _parameters(cache: CacheSpec) -> Iterator[str]:
    yield f"lru_interval={_LRU_INTERVAL_S[cache.policy]}"
    # One large object may displace any number of small ones.
    yield "nuke_limit=1000000"
    # What the origin gives no lifetime has none; and even what lives for a moment belongs to the capacity.
    yield "default_ttl=0"
    yield "default_grace=0"
    yield "default_keep=0"
    yield "shortlived=0"
    # A client's Accept-Encoding goes on as it is.
    yield "http_gzip_support=off"
    yield "thread_pools=1"
    yield "thread_pool_min=20"
    yield f"thread_pool_max={_THREADS}"
    yield f"thread_queue_limit={CONNECTIONS}"
    yield f"listen_depth={CONNECTIONS}"
    # Its log in memory: nobody reads it.
    yield "vsl_space=1M"
    yield f"connect_timeout={CONNECT_S}"
    yield f"first_byte_timeout={ANSWER_S}"
    yield f"between_bytes_timeout={ANSWER_S}"
    yield f"backend_idle_timeout={UPSTREAM_IDLE_S}"
    yield f"timeout_idle={CLIENT_IDLE_S}"
