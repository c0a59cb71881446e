"""The rules by which Varnish caches, in VCL 4.1.

- Whatever name a client calls the proxy by, it is one site: neither Host nor any header that claims another host or
  path reaches the key or a service. The key is the path with its query, as the client sent it.
- Stored is what the origin gives a lifetime, or anything that may be stored if the experiment gives one (``ttl_s``);
  never what is private, not to be stored, sets a cookie, or answers a request with a cookie or authorisation, nor what
  is larger than the cache.
- Until ``stale_while_revalidate_s`` after its end an object is delivered while a fresh one is fetched behind it.
  After that, until ``stale_if_error_s``, the fetch is waited for, and the object delivered if it fails.
- A request that failed is tried with the next upstream, a POST never.
"""

from __future__ import annotations

from harness.proxies.caching import size_bytes
from harness.proxies.routing import TRIES, Table, below
from harness.proxies.templates import configuration
from harness.spec.proxy import CacheSpec, ProxySpec

OUTCOME = "X-Cache"
_OWN_BYTES = 4096
"""More than an object takes beside its body."""


def vcl(spec: ProxySpec, cache: CacheSpec, routed: Table) -> str:
    """The program."""
    return configuration(
        "varnish/site.vcl",
        spec=spec,
        cache=cache,
        table=routed,
        below=below,
        s=_s,
        falls_back=cache.stale_if_error_s > cache.stale_while_revalidate_s,
        grace_s=max(cache.stale_while_revalidate_s, cache.stale_if_error_s),
        largest_bytes=size_bytes(cache) - _OWN_BYTES,
        tries=min(TRIES, max((len(group.upstreams) for group in routed.groups), default=1)),
        outcome=OUTCOME,
    )


def _s(seconds: float) -> str:
    """A duration as VCL reads it."""
    return f"{seconds:.3f}s"
