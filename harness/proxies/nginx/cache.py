"""Front ``nginx-cache``: nginx as a cache, its policy LRU.

Everything else is as in front ``nginx``. Objects are files of the instance's own file system (``FOLDER``/cache), which
the kernel holds in its page cache: nothing waits for a disk, and what is evicted soon never reaches one. Each takes
whole blocks of 4 KiB.

nginx has one process that enforces the capacity, the cache manager, and that looks at it every 10 s only: between, a
cache grows by all that it misses, which in an experiment is many times its size. So there is a second, tiny cache of
what expires at once. The manager removes one entry of it at a time, every ``TICK_MS``, and looks at every cache then;
``tick.pl`` makes the entries. What that costs is part of what is measured, and small (docs/adding-a-front.md).

nginx does not end the time in which something stale is served: ``stale_while_revalidate_s`` and ``stale_if_error_s``
are either 0 or without end (until the object is evicted). A lifetime is rounded up to whole seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.resources import files
from typing import ClassVar

from harness.proxies.api import Certificate, Rendered, Route
from harness.proxies.caching import CLAIMS_OF_HOST, FORBIDS, HOST, STORABLE, OutcomeHeader, size_bytes
from harness.proxies.delivery import FOLDER
from harness.proxies.nginx.proxy import NginxFront
from harness.proxies.routing import ANSWER_S
from harness.spec.front import CacheSpec, FrontSpec
from harness.units import KIB

_OUTCOME = "X-Cache"
TICK_MS = 10
_TICK = "tick.pl"
_SOCKETS = f"unix:{FOLDER}/tick.sock", f"unix:{FOLDER}/tock.sock"
_BLOCK_BYTES = 4096
_KEY_BYTES = 256
"""In its table of keys an entry takes 128 bytes; were there no room for as many as blocks, the table would evict."""

_FAILURES = "error timeout invalid_header http_500 http_502 http_503 http_504"


class NginxCacheFront(NginxFront):
    """nginx as a reverse proxy that caches."""

    name: ClassVar[str] = "nginx-cache"
    summary: ClassVar[str] = "nginx, a cache in files: LRU, collapses requests, serves stale, speaks TLS"
    policies: ClassVar[frozenset[str]] = frozenset({"lru"})
    stale_ends: ClassVar[bool] = False
    outcome: ClassVar[OutcomeHeader | None] = OutcomeHeader(
        _OUTCOME, (("hit", "hit"), ("miss", "miss"), ("stale", "stale"), ("pass", "pass"))
    )
    minimum_bytes: ClassVar[int] = 64 * KIB
    overhead_bytes: ClassVar[int] = 620 + 2048
    """A file's own header with the response's, and half a block that is not used up."""

    def render(self, spec: FrontSpec, routes: Sequence[Route], certificate: Certificate | None) -> Rendered:
        plain = super().render(spec, routes, certificate)
        tick = (files("harness.proxies.nginx") / _TICK).read_text("utf-8")
        command = f"perl {FOLDER}/{_TICK} {FOLDER}/tick.sock {TICK_MS} $$ & exec {' '.join(plain.argv)}"
        return replace(plain, files={**plain.files, _TICK: tick}, argv=("/bin/sh", "-c", command))

    def of_http(self, spec: FrontSpec) -> Iterator[str]:
        cache = spec.cache or CacheSpec()
        size = size_bytes(cache)
        zone = f"keys_zone=cache:{128 * KIB + size * _KEY_BYTES // _BLOCK_BYTES}"
        rules = "manager_files=1000000 manager_threshold=1s inactive=1d use_temp_path=off"
        yield f"proxy_cache_path {FOLDER}/cache levels=1:2 {zone} max_size={size} {rules};"
        yield from _ticking()
        yield 'map "$upstream_http_set_cookie|$upstream_http_cache_control|$upstream_http_expires" $not_stored {'
        yield '    "~^[^|]" 1;'
        yield f'    "~*[|, ](?:{FORBIDS})" 1;'
        if cache.ttl_s is None:
            yield '    "~*max-?age=[1-9]" "";'
            yield '    "~[^|]$" "";'
        yield f'    default "{"1" if cache.ttl_s is None else ""}";'
        yield "}"
        yield 'map "$upstream_cache_status$not_stored" $outcome {'
        yield from (f"    {status} hit;" for status in ("HIT", "HIT1"))
        yield from (f"    {status} stale;" for status in ("STALE", "STALE1", "UPDATING", "UPDATING1"))
        yield from (f"    {status} pass;" for status in ("MISS1", "EXPIRED1", "BYPASS", "BYPASS1"))
        yield from (f"    {status} miss;" for status in ("MISS", "EXPIRED", "REVALIDATED", "REVALIDATED1"))
        yield '    default "";'
        yield "}"

    def of_server(self, spec: FrontSpec) -> Iterator[str]:
        cache = spec.cache or CacheSpec()
        # One site, whatever a client calls it: see harness.proxies.varnish.vcl.
        yield f"proxy_set_header Host {HOST};"
        yield from (f'proxy_set_header {name} "";' for name in CLAIMS_OF_HOST)
        yield "proxy_cache cache;"
        yield "proxy_cache_key $request_uri;"
        yield "proxy_cache_revalidate on;"
        yield "proxy_cache_bypass $http_authorization $http_cookie;"
        yield "proxy_no_cache $http_authorization $http_cookie $not_stored;"
        if cache.ttl_s is not None:
            yield "proxy_ignore_headers Cache-Control Expires X-Accel-Expires;"
            yield f"proxy_cache_valid {' '.join(map(str, STORABLE))} {math.ceil(cache.ttl_s)}s;"
        if cache.collapse:
            yield "proxy_cache_lock on;"
            yield f"proxy_cache_lock_age {ANSWER_S}s;"
            yield f"proxy_cache_lock_timeout {ANSWER_S}s;"
        stale = ["updating"] if cache.stale_while_revalidate_s else []
        stale += [_FAILURES] if cache.stale_if_error_s else []
        yield f"proxy_cache_use_stale {' '.join(stale) or 'off'};"
        if cache.stale_while_revalidate_s:
            yield "proxy_cache_background_update on;"
        yield "sendfile on;"
        yield "max_ranges 16;"
        yield f"proxy_hide_header {_OUTCOME};"
        yield f"add_header {_OUTCOME} $outcome always;"


def _ticking() -> Iterator[str]:
    rules = f"inactive=0s use_temp_path=off manager_files=1 manager_sleep={TICK_MS}ms"
    yield f"proxy_cache_path {FOLDER}/ticks keys_zone=ticks:32k {rules};"
    tick, tock = _SOCKETS
    yield f"server {{ listen {tick}; access_log off; location / {{"
    yield "    proxy_cache ticks; proxy_cache_key $request_uri; proxy_cache_valid any 1s;"
    yield f"    proxy_pass http://{tock}; }} }}"
    yield f"server {{ listen {tock}; access_log off; location / {{ return 200; }} }}"
