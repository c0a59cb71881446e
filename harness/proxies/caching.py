"""What the proxies that cache have in common: how large they are, and what they say of a request."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from harness.errors import SpecError
from harness.spec.proxy import CacheSpec, ProxySpec
from harness.units import MIB

HOST = "proxy"
"""The host that caches name to the services behind them, whatever a client called them."""

CLAIMS_OF_HOST = ("X-Forwarded-Host", "X-Host", "X-Original-URL", "X-Rewrite-URL", "Forwarded")
"""Headers by which a client could make some services answer for another host or path than a cache's key says."""

STORABLE = (200, 203, 204, 300, 301, 404, 410)
"""What may be stored without the origin's word (RFC 9110, 15.1), partial answers left out."""

FORBIDS = "no-cache|no-store|private"
"""Words of Cache-Control by which an origin forbids that an answer is stored and served again."""


@dataclass(frozen=True, slots=True)
class OutcomeHeader:
    """The response header that tells what the cache made of a request.

    ``words``: (beginning of the header's value, word of ``harness.store.samples.CACHE``). Case does not count.
    """

    name: str
    words: tuple[tuple[str, str], ...]

    def word(self, value: str | None) -> str:
        """The word of the first beginning that fits; ``none`` if there is none, or no such header."""
        found = (value or "").lower()
        return next((word for begins, word in self.words if found.startswith(begins.lower())), "none")


@dataclass(frozen=True, slots=True)
class CacheSize:
    """A cache's capacity as it is configured, and which share of the catalogue's bytes that is, if it was asked so."""

    bytes: int
    share: float | None = None


def size_of(cache: CacheSpec, catalogue_bytes: int | None = None, share: float | None = None) -> CacheSize:
    """The capacity that is asked for: ``share`` (the matrix's), else the specification's own share, else its MiB.

    Raises SpecError for a share without a catalogue.
    """
    wanted = cache.size_share if share is None else share
    if wanted is None:
        return CacheSize(round(cache.size_mib * MIB))
    if catalogue_bytes is None:
        raise SpecError(
            "a cache's size is a share of a catalogue, but the workload has none",
            "give size_mib, or use such a workload",
        )
    return CacheSize(round(wanted * catalogue_bytes), wanted)


def with_size(spec: ProxySpec, size: CacheSize | None) -> ProxySpec:
    """``spec`` with a cache whose ``size_mib`` is the capacity, to the byte. Raises SpecError as ``size_of`` does."""
    cache = spec.cache or CacheSpec()
    held = size or size_of(cache)
    return spec.model_copy(
        update={"cache": cache.model_copy(update={"size_mib": held.bytes / MIB, "size_share": None})}
    )


def size_bytes(cache: CacheSpec) -> int:
    """The capacity in bytes of a specification that ``with_size`` made."""
    return round(cache.size_mib * MIB)


def check(
    name: str,
    policies: Collection[str],
    lacks: Collection[str],
    minimum_bytes: int,
    spec: ProxySpec,
    size: CacheSize | None,
) -> None:
    """Raises SpecError for a cache that this proxy cannot be."""
    if not policies:
        if spec.cache is not None or size is not None:
            raise SpecError(f"proxy {name} caches nothing", "remove its cache, or use a proxy that caches")
        if spec.warm:
            raise SpecError(f"proxy {name} caches nothing that could be warm", "set warm = false")
        return
    cache, usual = spec.cache or CacheSpec(), CacheSpec()
    if cache.policy not in policies:
        raise SpecError(f"proxy {name} has no policy {cache.policy!r}", f"use one of: {', '.join(sorted(policies))}")
    for key in sorted(lacks):
        if getattr(cache, key) != getattr(usual, key):
            raise SpecError(f"proxy {name} cannot do {key}", "leave it out, or use another proxy that caches")
    held = size or size_of(cache)
    if held.bytes < minimum_bytes:
        raise SpecError(
            f"proxy {name} cannot be as small as {held.bytes:,} bytes",
            f"give it at least {minimum_bytes:,} bytes ({minimum_bytes / MIB:.2f} MiB)",
        )
