"""The rules by which Varnish caches, in VCL 4.1.

- Whatever name a client calls the front by, it is one site: neither Host nor any header that claims another host or
  path reaches the key or a service. The key is the path with its query, as the client sent it.
- Stored is what the origin gives a lifetime, or anything that may be stored if the experiment gives one (``ttl_s``);
  never what is private, not to be stored, sets a cookie, or answers a request with a cookie or authorisation, nor what
  is larger than the cache.
- Until ``stale_while_revalidate_s`` after its end an object is delivered while a fresh one is fetched behind it.
  After that, until ``stale_if_error_s``, the fetch is waited for, and the object delivered if it fails.
- A request that failed is tried with the next upstream, a POST never.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.proxies.caching import CLAIMS_OF_HOST, FORBIDS, HOST, STORABLE, size_bytes
from harness.proxies.routing import ROOT, TRIES, Group, Table, below
from harness.spec.front import CacheSpec, FrontSpec

OUTCOME = "X-Cache"
_KEPT_S = 86_400
"""For so long what has expired may still be validated with the origin, unless it is evicted before."""

_PASSES_S = 120
_OWN_BYTES = 4096
"""More than an object takes beside its body."""

_WAY = "X-Front-Way"


def vcl(spec: FrontSpec, cache: CacheSpec, routed: Table) -> Iterator[str]:
    """The lines of the program."""
    yield "vcl 4.1;"
    yield "import directors;"
    yield "import std;"
    for group in routed.groups:
        for number, upstream in enumerate(group.upstreams, 1):
            yield f'backend {group.name}_{number} {{ .host = "{upstream.host}"; .port = "{upstream.port}"; }}'
    yield from _sub("init", _init(routed))
    yield from _sub("recv", _recv(cache, routed))
    yield from _sub("hash", iter(["hash_data(req.url);", "return (lookup);"]))
    yield from _sub("hit", _hit(cache))
    yield from _sub("backend_fetch", _fetch(spec))
    yield from _sub("backend_response", _response(cache))
    yield from _sub("backend_error", _error(routed))
    yield from _sub("deliver", _deliver(cache))


def _sub(name: str, lines: Iterator[str]) -> Iterator[str]:
    yield f"sub vcl_{name} {{"
    yield from (f"    {line}" for line in lines)
    yield "}"


def _init(routed: Table) -> Iterator[str]:
    for group in routed.groups:
        yield f"new {group.name} = directors.round_robin();"
        yield from (f"{group.name}.add_backend({group.name}_{i});" for i, _ in enumerate(group.upstreams, 1))
    yield "return (ok);"


def _recv(cache: CacheSpec, routed: Table) -> Iterator[str]:
    yield "if (req.restarts == 0) {"
    yield from (f"    unset req.http.{name};" for name in (*CLAIMS_OF_HOST, _WAY))
    yield f'    set req.http.Host = "{HOST}";'
    yield '    set req.http.X-Forwarded-Proto = "http";'
    yield "}"
    fallback: Group | None = None
    word = "if"
    for prefix, group in routed.rules:
        if prefix == ROOT:
            fallback = group
        else:
            yield f"{word} (req.url ~ {_quoted(below(prefix))}) {{ set req.backend_hint = {group.name}.backend(); }}"
            word = "elsif"
    otherwise = "return (synth(404));" if fallback is None else f"set req.backend_hint = {fallback.name}.backend();"
    yield otherwise if word == "if" else f"else {{ {otherwise} }}"
    yield 'if (req.method == "CONNECT" || req.method == "PRI") { return (synth(405)); }'
    yield 'if (req.method != "GET" && req.method != "HEAD") { return (pass); }'
    yield "if (req.http.Authorization || req.http.Cookie) { return (pass); }"
    if not cache.collapse:
        yield "set req.hash_ignore_busy = true;"
    if _falls_back(cache):
        # Asked for a fresh object, the lookup must not find the stale one.
        yield f'if (req.http.{_WAY} == "fresh") {{ set req.grace = {_s(cache.stale_while_revalidate_s)}; }}'
        yield f"else {{ set req.grace = {_s(_grace(cache))}; }}"
    yield "return (hash);"


def _hit(cache: CacheSpec) -> Iterator[str]:
    if _falls_back(cache):
        old = f"obj.ttl + {_s(cache.stale_while_revalidate_s)} <= 0s"
        yield f'if ({old} && req.http.{_WAY} != "stale") {{'
        yield f'    set req.http.{_WAY} = "fresh";'
        yield "    return (restart);"
        yield "}"
    yield "return (deliver);"


def _fetch(spec: FrontSpec) -> Iterator[str]:
    # The origin has just failed for the request that this fetch would follow.
    yield f'if (bereq.is_bgfetch && bereq.http.{_WAY} == "stale") {{ return (abandon); }}'
    if not spec.keepalive:
        yield 'set bereq.http.Connection = "close";'
    yield "return (fetch);"


def _response(cache: CacheSpec) -> Iterator[str]:
    yield "if (beresp.status >= 500 && bereq.is_bgfetch) { return (abandon); }"
    if _falls_back(cache):
        # What is stored of an answer, if only that it passes, would hide the stale object; what is stored of an error
        # does not.
        yield f'if (beresp.status >= 500 && bereq.http.{_WAY} == "fresh") {{ return (error(beresp.status)); }}'
    yield "if (beresp.status >= 500) {"
    yield "    set beresp.uncacheable = true;"
    yield "    set beresp.ttl = 0s;"
    yield "    return (deliver);"
    yield "}"
    if cache.ttl_s is not None:
        statuses = " || ".join(f"beresp.status == {status}" for status in STORABLE)
        yield f"if ({statuses}) {{ set beresp.ttl = {_s(cache.ttl_s)}; }}"
    forbidden = f'beresp.http.Cache-Control ~ "(?i)(?:^|[ ,])(?:{FORBIDS})" || beresp.http.Vary == "*"'
    too_large = f"std.integer(beresp.http.Content-Length, 0) > {size_bytes(cache) - _OWN_BYTES}"
    yield f"if (beresp.ttl <= 0s || beresp.http.Set-Cookie || {forbidden} || {too_large}) {{"
    yield "    set beresp.uncacheable = true;"
    yield f"    set beresp.ttl = {_PASSES_S}s;"
    yield "    set beresp.grace = 0s;"
    yield "    return (deliver);"
    yield "}"
    yield f"set beresp.grace = {_s(_grace(cache))};"
    yield f"set beresp.keep = {_KEPT_S}s;"
    yield "return (deliver);"


def _error(routed: Table) -> Iterator[str]:
    tries = min(TRIES, max((len(group.upstreams) for group in routed.groups), default=1))
    if tries > 1:
        yield f'if (bereq.retries < {tries - 1} && bereq.method != "POST") {{ return (retry); }}'
    yield "if (bereq.is_bgfetch) { return (abandon); }"
    yield "set beresp.ttl = 0s;"
    yield "set beresp.grace = 0s;"
    yield "return (deliver);"


def _deliver(cache: CacheSpec) -> Iterator[str]:
    if _falls_back(cache):
        yield f'if (resp.status >= 500 && req.http.{_WAY} == "fresh") {{'
        yield f'    set req.http.{_WAY} = "stale";'
        yield "    return (restart);"
        yield "}"
    yield f'if (obj.uncacheable) {{ set resp.http.{OUTCOME} = "pass"; }}'
    yield f'elsif (obj.hits == 0) {{ set resp.http.{OUTCOME} = "miss"; }}'
    yield f'elsif (obj.ttl < 0s) {{ set resp.http.{OUTCOME} = "stale"; }}'
    yield f'else {{ set resp.http.{OUTCOME} = "hit"; }}'
    yield "return (deliver);"


def _falls_back(cache: CacheSpec) -> bool:
    return cache.stale_if_error_s > cache.stale_while_revalidate_s


def _grace(cache: CacheSpec) -> float:
    return max(cache.stale_while_revalidate_s, cache.stale_if_error_s)


def _s(seconds: float) -> str:
    """A duration as VCL reads it."""
    return f"{seconds:.3f}s"


def _quoted(expression: str) -> str:
    """A string of VCL: between these nothing but the end itself means anything, and no path holds it."""
    return f'{{"{expression}"}}'
