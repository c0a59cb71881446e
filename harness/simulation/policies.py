"""The eviction policies that can be simulated, and what libCacheSim calls them."""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import SpecError

ALL = "all"

TEXTBOOK = "LFUDA-textbook"

SKETCH_UNITS = 1 << 22
"""libCacheSim's W-TinyLFU keeps 14.4 counters of 4 bytes per byte of cache (and 20 in all where 2 GiB overflow an int):
with sizes in units such that a cache has at most so many, its sketch takes at most 240 MiB."""


@dataclass(frozen=True, slots=True)
class Policy:
    """``library``: the class in libCacheSim, empty for a policy of our own. ``cost``: of a request, FIFO being about 1.

    ``future``: it looks at requests that are yet to come. ``coarse``: its memory grows with the bytes of the cache, so
    that sizes are given to it in units.
    """

    name: str
    library: str
    about: str
    cost: int = 1
    future: bool = False
    coarse: bool = False

    def unit_bytes(self, cache_bytes: int) -> int:
        """In what unit sizes are given to it for a cache of that size."""
        return max(1, -(-cache_bytes // SKETCH_UNITS)) if self.coarse else 1


_POLICIES = (
    Policy("FIFO", "FIFO", "evicts what was inserted first"),
    Policy("LRU", "LRU", "evicts what was not requested for the longest time"),
    Policy("LFU", "LFU", "evicts what was requested least often since it was inserted"),
    Policy("LFUDA", "LFUDA", "libCacheSim's LFU with ageing: every hit raises a rank by the age of the cache", cost=40),
    Policy(TEXTBOOK, "", "LFU with dynamic ageing, as in Squid: a rank is the count plus the cache's age", cost=30),
    Policy("GDSF", "GDSF", "frequency over size, with ageing", cost=10),
    Policy("ARC", "ARC", "balances recency against frequency by what it evicted too early", cost=2),
    Policy("S3-FIFO", "S3FIFO", "three FIFO queues; what is not requested again leaves early", cost=3),
    Policy("SIEVE", "Sieve", "one queue and a hand that spares what was requested since it passed"),
    Policy("W-TinyLFU", "WTinyLFU", "admits by estimated frequency behind a small window", cost=15, coarse=True),
    Policy("Belady", "Belady", "evicts what is requested again last: the limit if all sizes are equal", 2, future=True),
)

POLICIES: dict[str, Policy] = {policy.name: policy for policy in _POLICIES}


def chosen(text: str) -> tuple[Policy, ...]:
    """The policies in ``LRU,s3fifo``, in that order; every one for ``all``. Case and hyphens do not matter.

    Raises SpecError for an unknown name, and for none at all.
    """
    if _plain(text) == ALL:
        return _POLICIES
    by_name = {_plain(policy.name): policy for policy in _POLICIES}
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if _plain(name) not in by_name]
    if unknown or not names:
        what = f"There is no policy {unknown[0]!r}." if unknown else "No policy is named."
        raise SpecError(what, f"Known policies: {', '.join(POLICIES)}; or {ALL}.")
    return tuple(dict.fromkeys(by_name[_plain(name)] for name in names))


def _plain(name: str) -> str:
    return name.strip().replace("-", "").lower()
