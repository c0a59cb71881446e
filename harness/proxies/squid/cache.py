"""Proxy ``squid-cache``: Squid before the services, which keeps objects in files of the instance.

A request's own Cache-Control is ignored, as a CDN ignores it, and the Host that a client names is replaced, so nothing
of it decides what is found. A Range is cut out of the whole object, which is fetched for it. Squid compares paths after
it decoded them.

**Squid makes room once a second** and by no option more often. Its cache in memory stores nothing more until then, so
what came first stays, under any policy. Its files (``FOLDER``/cache, in the kernel's page cache) grow beyond the
capacity until then, and all of what is too much is evicted in the policy's order; so they are what is used here.

How long an object is fresh can only be said to Squid in whole minutes, and never against the origin. So ``ttl_s`` makes
it ask itself: what comes from a service enters by a second port, where nothing is kept and Cache-Control is replaced,
and then the cache. That costs each miss a second exchange within the same process.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import ClassVar

from harness.errors import SpecError
from harness.proxies.api import Certificate, Proxy, Rendered, Route
from harness.proxies.caching import OutcomeHeader, size_bytes
from harness.proxies.delivery import FOLDER
from harness.proxies.routing import ROOT, table
from harness.proxies.templates import configuration
from harness.spec.proxy import CacheSpec, ProxySpec
from harness.units import MIB

_CONFIG = "squid.conf"
_OUTCOME = "X-Proxy-Cache"
_BLOCK = 4096
_HEADERS = 400
"""About what the headers of an answer take beside its body; they are in its file, before it."""

_ROOM = 4
"""How many times the capacity the folder is at least: beyond its size Squid stores nothing more until it made room."""

_POLICIES = {"lru": "lru", "lfuda": "heap LFUDA", "gdsf": "heap GDSF"}
_NEVER = 1_000_000
"""Failures until an upstream is left alone, where none shall be."""


class SquidCacheProxy(Proxy):
    """Squid as a reverse proxy that caches."""

    name: ClassVar[str] = "squid-cache"
    summary: ClassVar[str] = "Squid, a reverse proxy with a cache in files: LRU, LFUDA or GDSF"
    packages: ClassVar[tuple[str, ...]] = ("squid",)
    user: ClassVar[str] = "proxy"
    port: ClassVar[int] = 8080
    inner_port: ClassVar[int] = 8081
    balances: ClassVar[frozenset[str]] = frozenset({"round-robin"})
    policies: ClassVar[frozenset[str]] = frozenset(_POLICIES)
    minimum_bytes: ClassVar[int] = MIB
    makes_room_s: ClassVar[float] = 1.0
    overhead_bytes: ClassVar[int] = _HEADERS + _BLOCK // 2
    lacks: ClassVar[frozenset[str]] = frozenset({"stale_while_revalidate_s"})
    outcome: ClassVar[OutcomeHeader | None] = OutcomeHeader(
        _OUTCOME,
        (
            ("PASS", "pass"),
            ("FROM/HIER_NONE", "hit"),
            # An answer that was stale where it came from.
            ("STALE/HIER_NONE", "hit"),
            ("STALE/", "stale"),
            # Any other says which upstream was asked, be it that nothing has changed since.
            ("FROM/", "miss"),
        ),
    )

    def render(self, spec: ProxySpec, routes: Sequence[Route], certificate: Certificate | None) -> Rendered:  # noqa: ARG002 - it speaks no TLS
        cache = spec.cache or CacheSpec()
        size = size_bytes(cache)
        room_mib, room_percent = room(size)
        text = configuration(
            "squid/cache.conf",
            spec=spec,
            cache=cache,
            table=table(routes),
            pattern=pattern,
            port=self.port,
            inner_port=self.inner_port,
            policy=_POLICIES[cache.policy],
            size_bytes=size,
            room_mib=room_mib,
            room_percent=room_percent,
            ttl_s=None if cache.ttl_s is None else math.ceil(cache.ttl_s),
            stale_if_error_s=math.ceil(cache.stale_if_error_s),
            never=_NEVER,
            outcome=_OUTCOME,
        )
        # The folders of the cache are made by a first one, which then ends.
        command = f"squid -N -z -f {FOLDER}/{_CONFIG} >&2 && exec squid -N -f {FOLDER}/{_CONFIG}"
        return Rendered(files={_CONFIG: text}, argv=("/bin/sh", "-c", command))

    def effective_bytes(self, size: int, mean_object_bytes: float, policy: str) -> int:  # noqa: ARG002 - the same for all
        """Whole blocks: half of the last one is lost in the mean, and no object has less than one."""
        return round(size * mean_object_bytes / max(_BLOCK, mean_object_bytes + self.overhead_bytes))

    def _check(self, spec: ProxySpec, routes: Sequence[Route]) -> None:
        super()._check(spec, routes)
        for route in routes:
            if "%" in route.prefix:
                raise SpecError(
                    f"proxy {self.name} cannot route {route.prefix!r}: Squid decodes paths before it compares them",
                    "use a prefix without '%'",
                )


def pattern(prefix: str) -> str:
    """What Squid compares a path and query with: the prefix itself, or something below it (POSIX, extended)."""
    end = "" if prefix.endswith(ROOT) else "([/?]|$)"
    escaped = re.sub(r"([.*+?()\[\]{}|^$\\])", r"\\\1", prefix)
    return f"^{escaped}{end}"


def room(size: int) -> tuple[int, int]:
    """A folder's size in MiB and the percentage of it that is nearest to ``size`` bytes: Squid takes whole numbers."""
    wanted = size / MIB
    smallest = math.ceil(wanted * _ROOM)

    def told(mib: int) -> int:
        return round(100 * wanted / mib)

    mib = min(range(smallest, smallest + 20), key=lambda mib: abs(told(mib) * mib / 100 - wanted))
    return mib, told(mib)
