"""Proxy ``trafficserver``: Apache Traffic Server, whose RAM cache evicts by LRU or CLFUS.

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
from collections.abc import Sequence
from importlib.resources import files
from typing import ClassVar

from harness.proxies.api import Certificate, Proxy, Rendered, Route
from harness.proxies.caching import OutcomeHeader, size_bytes
from harness.proxies.delivery import FOLDER
from harness.proxies.routing import Table, fail_timeout, table
from harness.proxies.templates import configuration
from harness.spec.proxy import CacheSpec, ProxySpec
from harness.units import MIB

_ALGORITHM = {"clfus": 0, "lru": 1}
_STORE_BYTES = 1024 * MIB
_STORE_ROOM = 2
"""How many times the RAM cache the store is at least."""

_POWER_OF_TWO = 1 / math.log(2)
"""How much larger the next power of two is than a size, in the mean over sizes that are spread over several powers:
the integral of 2/x over the logarithm (base 2) of x from 1 to 2."""

_CONFIGS = ("runroot.yaml", "records.config", "remap.config", "parent.config", "storage.config", "ip_allow.yaml")
_NEVER = 1_000_000


class TrafficServerProxy(Proxy):
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
        "X-Proxy-Cache", tuple((word, word) for word in ("hit", "miss", "collapsed", "stale", "pass"))
    )

    def render(self, spec: ProxySpec, routes: Sequence[Route], certificate: Certificate | None) -> Rendered:  # noqa: ARG002 - it speaks no TLS
        values = _values(spec, spec.cache or CacheSpec(), table(routes)) | {"port": self.port}
        texts = {name: configuration(f"trafficserver/{name}", **values) for name in _CONFIGS}
        script = files("harness.proxies.trafficserver").joinpath("script.lua").read_text("utf-8")
        texts["proxy.lua"] = configuration("trafficserver/settings.lua", **values) + script
        return Rendered(files=texts, argv=("traffic_server", f"--run-root={FOLDER}/runroot.yaml"))

    def effective_bytes(self, size: int, mean_object_bytes: float, policy: str) -> int:  # noqa: ARG002 - the same for both
        """An object stays in the buffer that it was read into, whose size is a power of two."""
        return round(size * mean_object_bytes / (mean_object_bytes + self.overhead_bytes) / _POWER_OF_TWO)


def _values(spec: ProxySpec, cache: CacheSpec, routed: Table) -> dict[str, object]:
    """What its templates need."""
    alone = all(len(group.upstreams) == 1 for group in routed.groups)
    return {
        "spec": spec,
        "cache": cache,
        "table": routed,
        "max_fails": _NEVER if alone or not spec.max_fails else spec.max_fails,
        "fail_timeout_s": fail_timeout(spec),
        "stale_if_error_s": math.ceil(cache.stale_if_error_s),
        "ttl_s": None if cache.ttl_s is None else math.ceil(cache.ttl_s),
        "size_bytes": size_bytes(cache),
        "store_bytes": store_bytes(size_bytes(cache)),
        "algorithm": _ALGORITHM[cache.policy],
    }


def store_bytes(ram_bytes: int) -> int:
    """The size of the store, in whole MiB, below a RAM cache of that capacity.

    It is a sparse file, of which no more is used than is written: each object that was fetched once, with its headers.
    """
    size = max(_STORE_BYTES, _STORE_ROOM * ram_bytes)
    return -(-size // MIB) * MIB
