"""Proxy ``nginx-cache``: nginx as a cache, its policy LRU.

Everything else is as in proxy ``nginx``. Objects are files of the instance's own file system (``FOLDER``/cache), which
the kernel holds in its page cache: nothing waits for a disk, and what is evicted soon never reaches one. Each takes
whole blocks of 4 KiB.

nginx has one process that enforces the capacity, the cache manager, and that looks at it every 10 s only: between, a
cache grows by all that it misses, which in an experiment is many times its size. So there is a second, tiny cache of
what expires at once. The manager removes one entry of it at a time, every ``TICK_MS``, and looks at every cache then;
``tick.pl`` makes the entries. What that costs is part of what is measured, and small (docs/adding-a-proxy.md).

nginx does not end the time in which something stale is served: ``stale_while_revalidate_s`` and ``stale_if_error_s``
are either 0 or without end (until the object is evicted). A lifetime is rounded up to whole seconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from typing import ClassVar

from harness.proxies.api import Certificate, Rendered, Route
from harness.proxies.caching import OutcomeHeader, size_bytes
from harness.proxies.delivery import FOLDER
from harness.proxies.nginx.proxy import NginxProxy
from harness.spec.proxy import CacheSpec, ProxySpec
from harness.units import KIB

_OUTCOME = "X-Cache"
TICK_MS = 10
_TICK = "tick.pl"
_BLOCK_BYTES = 4096
_KEY_BYTES = 256
"""In its table of keys an entry takes 128 bytes; were there no room for as many as blocks, the table would evict."""

_FAILURES = "error timeout invalid_header http_500 http_502 http_503 http_504"


class NginxCacheProxy(NginxProxy):
    """nginx as a reverse proxy that caches."""

    name: ClassVar[str] = "nginx-cache"
    template: ClassVar[str] = "nginx/nginx-cache.conf"
    summary: ClassVar[str] = "nginx, a cache in files: LRU, collapses requests, serves stale, speaks TLS"
    policies: ClassVar[frozenset[str]] = frozenset({"lru"})
    stale_ends: ClassVar[bool] = False
    outcome: ClassVar[OutcomeHeader | None] = OutcomeHeader(
        _OUTCOME, (("hit", "hit"), ("miss", "miss"), ("stale", "stale"), ("pass", "pass"))
    )
    minimum_bytes: ClassVar[int] = 64 * KIB
    overhead_bytes: ClassVar[int] = 620 + 2048
    """A file's own header with the response's, and half a block that is not used up."""

    def render(self, spec: ProxySpec, routes: Sequence[Route], certificate: Certificate | None) -> Rendered:
        plain = super().render(spec, routes, certificate)
        tick = (files("harness.proxies.nginx") / _TICK).read_text("utf-8")
        command = f"perl {FOLDER}/{_TICK} {FOLDER}/tick.sock {TICK_MS} $$ & exec {' '.join(plain.argv)}"
        return replace(plain, files={**plain.files, _TICK: tick}, argv=("/bin/sh", "-c", command))

    def of_kind(self, spec: ProxySpec) -> dict[str, object]:
        cache = spec.cache or CacheSpec()
        size = size_bytes(cache)
        stale = ["updating"] if cache.stale_while_revalidate_s else []
        stale += [_FAILURES] if cache.stale_if_error_s else []
        return {
            "cache": cache,
            "size_bytes": size,
            "keys_bytes": 128 * KIB + size * _KEY_BYTES // _BLOCK_BYTES,
            "ttl_s": None if cache.ttl_s is None else math.ceil(cache.ttl_s),
            "stale": " ".join(stale) or "off",
            "outcome": _OUTCOME,
            "tick_ms": TICK_MS,
        }
