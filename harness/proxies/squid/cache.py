"""Front ``squid-cache``: Squid before the services, which keeps objects in files of the instance.

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
from collections.abc import Iterator, Sequence
from typing import ClassVar

from harness.errors import SpecError
from harness.proxies.api import LOG_WORD, Certificate, Front, Rendered, Route
from harness.proxies.caching import CLAIMS_OF_HOST, FORBIDS, HOST, STORABLE, OutcomeHeader, size_bytes
from harness.proxies.delivery import FOLDER
from harness.proxies.routing import ROOT, Group, Table, table
from harness.proxies.squid.common import how_it_runs, how_it_treats_connections
from harness.spec.front import CacheSpec, FrontSpec
from harness.units import MIB

_CONFIG = "squid.conf"
_OUTCOME = "X-Front-Cache"
_FOLDER = f"{FOLDER}/cache"
_BLOCK = 4096
_HEADERS = 400
"""About what the headers of an answer take beside its body; they are in its file, before it."""

_ROOM = 4
"""How many times the capacity the folder is at least: beyond its size Squid stores nothing more until it made room."""

_POLICIES = {"lru": "lru", "lfuda": "heap LFUDA", "gdsf": "heap GDSF"}
_NEVER = 1_000_000
"""Failures until an upstream is left alone, where none shall be."""


class SquidCacheFront(Front):
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

    def render(self, spec: FrontSpec, routes: Sequence[Route], certificate: Certificate | None) -> Rendered:  # noqa: ARG002 - it speaks no TLS
        cache = spec.cache or CacheSpec()
        lines = [
            _port(cache),
            *how_it_runs(),
            *how_it_treats_connections(spec),
            *_what_it_keeps(cache),
            *_what_it_says(),
            *([f"access_log stdio:/dev/stdout logformat={LOG_WORD}"] if cache.ttl_s is None else _asking_itself(cache)),
            *_routes(spec, table(routes), inner=cache.ttl_s is not None),
        ]
        # The folders of the cache are made by a first one, which then ends.
        command = f"squid -N -z -f {FOLDER}/{_CONFIG} >&2 && exec squid -N -f {FOLDER}/{_CONFIG}"
        return Rendered(files={_CONFIG: "\n".join(lines) + "\n"}, argv=("/bin/sh", "-c", command))

    def effective_bytes(self, size: int, mean_object_bytes: float, policy: str) -> int:  # noqa: ARG002 - the same for all
        """Whole blocks: half of the last one is lost in the mean, and no object has less than one."""
        return round(size * mean_object_bytes / max(_BLOCK, mean_object_bytes + self.overhead_bytes))

    def _check(self, spec: FrontSpec, routes: Sequence[Route]) -> None:
        super()._check(spec, routes)
        for route in routes:
            if "%" in route.prefix:
                raise SpecError(
                    f"front {self.name} cannot route {route.prefix!r}: Squid decodes paths before it compares them",
                    "use a prefix without '%'",
                )


def _routes(spec: FrontSpec, routed: Table, *, inner: bool) -> Iterator[str]:
    """An upstream is a peer once in each group. The first ``http_access`` that fits counts: longest prefix first."""
    for number, (prefix, _) in enumerate(routed.rules):
        yield f"acl route{number} urlpath_regex {pattern(prefix)}"
    for group in routed.groups:
        for number, upstream in enumerate(group.upstreams, 1):
            limit = spec.max_fails if spec.max_fails and len(group.upstreams) > 1 else _NEVER
            yield (
                f"cache_peer {upstream.host} parent {upstream.port} 0 originserver no-query no-digest "
                f"no-netdb-exchange round-robin connect-fail-limit={limit} name={group.name}-{number}"
            )
    by_group: dict[Group, list[str]] = {group: [] for group in routed.groups}
    longer: list[str] = []
    for number, (_, group) in enumerate(routed.rules):
        by_group[group].append(" ".join([f"route{number}", *(f"!{other}" for other in longer)]))
        longer.append(f"route{number}")
    for group, rules in by_group.items():
        for number in range(1, len(group.upstreams) + 1):
            for rule in rules:
                yield f"cache_peer_access {group.name}-{number} allow {'inner ' if inner else ''}{rule}"
            yield f"cache_peer_access {group.name}-{number} deny all"
    yield f"never_direct allow {'inner' if inner else 'all'}"
    yield "nonhierarchical_direct off"
    for name in longer:
        yield f"http_access allow {name}"
    yield "deny_info 404:ERR_ACCESS_DENIED all"
    yield "http_access deny all"


def pattern(prefix: str) -> str:
    """What Squid compares a path and query with: the prefix itself, or something below it (POSIX, extended)."""
    end = "" if prefix.endswith(ROOT) else "([/?]|$)"
    escaped = re.sub(r"([.*+?()\[\]{}|^$\\])", r"\\\1", prefix)
    return f"^{escaped}{end}"


def _what_it_keeps(cache: CacheSpec) -> Iterator[str]:
    size = size_bytes(cache)
    mib, percent = room(size)
    # It is the policy of the folders that are named after it.
    yield f"cache_replacement_policy {_POLICIES[cache.policy]}"
    yield f"cache_dir ufs {_FOLDER} {mib} 4 64"
    yield f"cache_swap_low {percent}"
    yield f"cache_swap_high {percent + 1}"
    yield f"maximum_object_size {size} bytes"
    yield "cache_mem 0"
    # Its icons for directories would be objects of the cache.
    yield "mime_table /dev/null"
    yield from (f"request_header_access {name} deny all" for name in CLAIMS_OF_HOST)
    yield "client_db off"
    yield "eui_lookup off"
    yield f"collapsed_forwarding {'on' if cache.collapse else 'off'}"
    yield "range_offset_limit none"
    yield "quick_abort_min -1 KB"
    # An object is as fresh as the origin says, or not at all; one that is so for a second is kept as well.
    yield "refresh_pattern . 0 0% 525600"
    yield "minimum_expiry_time 0 seconds"
    yield f"max_stale {math.ceil(cache.stale_if_error_s)} seconds"
    yield "negative_ttl 0 seconds"


def room(size: int) -> tuple[int, int]:
    """A folder's size in MiB and the percentage of it that is nearest to ``size`` bytes: Squid takes whole numbers."""
    wanted = size / MIB
    smallest = math.ceil(wanted * _ROOM)

    def told(mib: int) -> int:
        return round(100 * wanted / mib)

    mib = min(range(smallest, smallest + 20), key=lambda mib: abs(told(mib) * mib / 100 - wanted))
    return mib, told(mib)


def _what_it_says() -> Iterator[str]:
    """Whom it asked (``%Sh``), and whether that failed. A service's own word in our header's name is dropped.

    Squid has an X-Cache, but of several only the first can be looked at, and that is the one of a cache behind it.
    """
    yield "acl kept method GET HEAD"
    yield f"acl forbidden rep_header Cache-Control -i {FORBIDS}"
    yield "acl cookie rep_header Set-Cookie ."
    yield "acl named req_header Authorization ."
    yield "acl named_too req_header Cookie ."
    yield "acl passed any-of !kept named named_too forbidden cookie"
    yield "acl failed rep_header Warning ^111.|,.*111."
    yield "acl refused rep_header X-Squid-Error ."
    yield "cache deny named"
    yield "cache deny named_too"
    yield "store_miss deny forbidden"
    yield "store_miss deny cookie"
    yield f"reply_header_access {_OUTCOME} deny all"
    yield f'reply_header_add {_OUTCOME} "PASS" !refused passed'
    yield f'reply_header_add {_OUTCOME} "STALE/%Sh" !refused !passed failed'
    yield f'reply_header_add {_OUTCOME} "FROM/%Sh" !refused !passed !failed'


def _port(cache: CacheSpec) -> str:
    """Where clients are heard. What they ask for has the name of who is asked for it."""
    itself = f"127.0.0.1 vport={SquidCacheFront.inner_port}"
    whom = HOST if cache.ttl_s is None else itself
    return f"http_port {SquidCacheFront.port} accel no-vhost defaultsite={whom} ignore-cc"


def _asking_itself(cache: CacheSpec) -> Iterator[str]:
    """The second port, from where services are asked. It is no peer: Squid would find it dead while it starts."""
    yield f"http_port 127.0.0.1:{SquidCacheFront.inner_port} accel no-vhost defaultsite={HOST} name=inner"
    yield "acl inner myportname inner"
    yield "always_direct allow !inner"
    yield "cache deny inner"
    # It would take a request that it passes on to itself for one that goes round in circles.
    yield "via off"
    yield f"acl storable http_status {' '.join(map(str, (*STORABLE, 304)))}"
    lives = "inner storable !forbidden !cookie"
    yield from (f"reply_header_access {name} deny {lives}" for name in ("Cache-Control", "Expires"))
    yield f'reply_header_add Cache-Control "public, max-age={math.ceil(cache.ttl_s or 0)}" {lives}'
    yield "acl unasked hier_code HIER_NONE"
    yield f"access_log stdio:/dev/stdout logformat={LOG_WORD} inner"
    yield f"access_log stdio:/dev/stdout logformat={LOG_WORD} unasked !inner"
