"""Front ``trafficserver``: Apache Traffic Server, whose RAM cache evicts by LRU or CLFUS.

**Its cache is the RAM cache here**, and ``size_mib`` is that one's. Traffic Server cannot do without a store on disk
below it: an object is in memory only as long as it is in the store, so the store is made large enough for a whole
catalogue. By itself Traffic Server would answer from the store what memory has evicted, and put an object into memory
when it is read back, which is with its second request. A policy's misses could not be told then. So a short Lua script,
which runs in Traffic Server, reads each object back as soon as it is stored, and asks the origin for what is found in
the store alone: that read brings it into memory again, and the origin's answer is not stored a second time.

The script also has the routes, ``ttl_s``, the log line and the header that tells the outcome. A Range of an object that
is not there is answered with the whole. Of an object larger than 1 MiB only the first is read back.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import ClassVar

from harness.proxies.api import Certificate, Front, Rendered, Route
from harness.proxies.caching import CLAIMS_OF_HOST, FORBIDS, HOST, STORABLE, OutcomeHeader, size_bytes
from harness.proxies.delivery import FOLDER
from harness.proxies.routing import (
    ANSWER_S,
    CLIENT_IDLE_S,
    CONNECT_S,
    CONNECTIONS,
    TRIES,
    UPSTREAM_IDLE_S,
    Table,
    fail_timeout,
    table,
)
from harness.spec.front import CacheSpec, FrontSpec
from harness.units import MIB

_LIBRARY = "/usr/lib/trafficserver/modules"
_TEMPLATES = "/etc/trafficserver/body_factory"
_ALGORITHM = {"clfus": 0, "lru": 1}
_STORE_BYTES = 1024 * MIB
_STORE_ROOM = 2
"""How many times the RAM cache the store is at least."""

_POWER_OF_TWO = 1 / math.log(2)
"""How much larger the next power of two is than a size, in the mean over sizes that are spread over several powers:
the integral of 2/x over the logarithm (base 2) of x from 1 to 2."""

_ANYBODY = ("ip_allow:", "  - apply: in", "    ip_addrs: 0/0", "    action: allow", "    methods: ALL")
_NEVER = 1_000_000


class TrafficServerFront(Front):
    """Apache Traffic Server as a reverse proxy that caches."""

    name: ClassVar[str] = "trafficserver"
    summary: ClassVar[str] = "Apache Traffic Server, a reverse proxy with a RAM cache above a store: LRU or CLFUS"
    packages: ClassVar[tuple[str, ...]] = ("trafficserver",)
    user: ClassVar[str] = "trafficserver"
    port: ClassVar[int] = 8080
    balances: ClassVar[frozenset[str]] = frozenset({"round-robin"})
    policies: ClassVar[frozenset[str]] = frozenset(_ALGORITHM)
    minimum_bytes: ClassVar[int] = MIB
    overhead_bytes: ClassVar[int] = 1500 + 128
    """What it stores of an answer beside the body, and of an object in memory."""

    lacks: ClassVar[frozenset[str]] = frozenset({"stale_while_revalidate_s"})
    outcome: ClassVar[OutcomeHeader | None] = OutcomeHeader(
        "X-Front-Cache", tuple((word, word) for word in ("hit", "miss", "collapsed", "stale", "pass"))
    )

    def render(self, spec: FrontSpec, routes: Sequence[Route], certificate: Certificate | None) -> Rendered:  # noqa: ARG002 - it speaks no TLS
        cache, routed = spec.cache or CacheSpec(), table(routes)
        texts = {
            "runroot.yaml": _places(),
            "records.config": _records(spec, cache, routed),
            "remap.config": [f"map / http://{HOST}/ @plugin=tslua.so @pparam=--states=1 @pparam={FOLDER}/front.lua"],
            "parent.config": _parents(routed),
            "storage.config": [f"{FOLDER} {_store_bytes(cache)}"],
            "ip_allow.yaml": _ANYBODY,
            "front.lua": [
                *_settings(routed, cache),
                files("harness.proxies.trafficserver").joinpath("script.lua").read_text("utf-8"),
            ],
        }
        return Rendered(
            files={name: "\n".join(lines) + "\n" for name, lines in texts.items()},
            argv=("traffic_server", f"--run-root={FOLDER}/runroot.yaml"),
        )

    def effective_bytes(self, size: int, mean_object_bytes: float, policy: str) -> int:  # noqa: ARG002 - the same for both
        """An object stays in the buffer that it was read into, whose size is a power of two."""
        return round(size * mean_object_bytes / (mean_object_bytes + self.overhead_bytes) / _POWER_OF_TWO)


def _places() -> Iterator[str]:
    """Where it reads and writes: below the delivery's folder, but for what its package brings."""
    package = {"bindir": "/usr/bin", "sbindir": "/usr/bin", "libdir": "/usr/lib", "libexecdir": _LIBRARY}
    own = ["prefix", "exec_prefix", "sysconfdir", "datadir", "includedir", "localstatedir", "runtimedir", "logdir"]
    own += ["mandir", "infodir", "cachedir"]
    yield from (f"{name}: {path}" for name, path in package.items())
    yield from (f"{name}: {FOLDER}" for name in own)


def _store_bytes(cache: CacheSpec) -> int:
    """A sparse file, of which no more is used than is written: each object that was fetched once, with its headers."""
    size = max(_STORE_BYTES, _STORE_ROOM * size_bytes(cache))
    return -(-size // MIB) * MIB


def _records(spec: FrontSpec, cache: CacheSpec, routed: Table) -> Iterator[str]:
    alone = all(len(group.upstreams) == 1 for group in routed.groups)
    max_fails = _NEVER if alone or not spec.max_fails else spec.max_fails
    numbers = {
        "accept_threads": 0,
        "exec_thread.autoconfig": 0,
        "exec_thread.limit": 1,
        "task_threads": 1,
        "cache.threads_per_disk": 1,
        "net.connections_throttle": 2 * CONNECTIONS,
        "log.logging_enabled": 0,
        "url_remap.remap_required": 1,
        "url_remap.pristine_host_hdr": 1,
        "http.insert_request_via_str": 0,
        "http.insert_response_via_str": 0,
        "http.keep_alive_enabled_out": 1 if spec.keepalive else 0,
        "http.keep_alive_no_activity_timeout_in": CLIENT_IDLE_S,
        "http.keep_alive_no_activity_timeout_out": UPSTREAM_IDLE_S,
        "http.transaction_no_activity_timeout_in": ANSWER_S,
        "http.transaction_no_activity_timeout_out": ANSWER_S,
        "http.connect_attempts_timeout": CONNECT_S,
        "http.connect_attempts_max_retries": 0,
        "http.parent_proxy.connect_attempts_timeout": CONNECT_S,
        "http.parent_proxy.per_parent_connect_attempts": 1,
        "http.parent_proxy.total_connect_attempts": TRIES,
        "http.parent_proxy.fail_threshold": max_fails,
        "http.parent_proxy.retry_time": fail_timeout(spec),
        "http.parent_proxy.self_detect": 0,
        "http.uncacheable_requests_bypass_parent": 0,
        # As fresh as the origin says, or not at all; what a request says of caching counts for nothing.
        "http.cache.required_headers": 2,
        "http.cache.ignore_client_no_cache": 1,
        "http.cache.ignore_client_cc_max_age": 1,
        "http.cache.max_stale_age": math.ceil(cache.stale_if_error_s),
        "http.negative_caching_enabled": 0,
        "cache.ram_cache.size": size_bytes(cache),
        "cache.ram_cache.algorithm": _ALGORITHM[cache.policy],
        # LRU would keep only what it has seen twice once it is full.
        "cache.ram_cache.use_seen_filter": 0,
        "cache.ram_cache_cutoff": size_bytes(cache),
        "cache.enable_read_while_writer": 1 if cache.collapse else 0,
        "http.cache.open_write_fail_action": 5 if cache.collapse else 0,
        "http.background_fill_active_timeout": 0,
    }
    yield "CONFIG proxy.config.admin.user_id STRING #-1"
    yield "CONFIG proxy.config.crash_log_helper STRING NULL"
    yield "CONFIG proxy.config.diags.logfile.filename STRING stderr"
    yield f"CONFIG proxy.config.http.server_ports STRING {TrafficServerFront.port}"
    yield f"CONFIG proxy.config.body_factory.template_sets_dir STRING {_TEMPLATES}"
    yield "CONFIG proxy.config.http.background_fill_completed_threshold FLOAT 0.0"
    yield from (f"CONFIG proxy.config.{name} INT {value}" for name, value in numbers.items())


def _parents(routed: Table) -> Iterator[str]:
    """The upstreams of each group, which is a host's name to the rest of the configuration."""
    for group in routed.groups:
        addresses = ";".join(upstream.address for upstream in group.upstreams)
        yield (f'dest_host={group.name} parent="{addresses}" round_robin=strict go_direct=false parent_is_proxy=false')


def _settings(routed: Table, cache: CacheSpec) -> Iterator[str]:
    """What the script is told. A prefix has no character that means anything in a Lua string."""
    yield "local ROUTES = {"
    yield from (f'  {{"{prefix}", "{group.name}"}},' for prefix, group in routed.rules)
    yield "}"
    yield f"local PORT = {TrafficServerFront.port}"
    yield f"local CLAIMS_OF_HOST = {{{_quoted(CLAIMS_OF_HOST)}}}"
    yield f"local FORBIDS = {{{_quoted(FORBIDS.split('|'))}}}"
    yield f"local STORABLE = {{{', '.join(f'[{status}] = true' for status in (*STORABLE, 304))}}}"
    yield f"local TTL_S = {'nil' if cache.ttl_s is None else math.ceil(cache.ttl_s)}"


def _quoted(words: Sequence[str]) -> str:
    return ", ".join(f'"{word}"' for word in words)
