"""LFU with dynamic ageing by the book, beside libCacheSim's, which is another policy and does not always end.

Arlitt, Cherkasova, Dilley, Friedrich and Jin, "Evaluating content management techniques for web proxy caches", 2000;
the same rule as Squid's ``heap LFUDA``: an object's rank is its count since it was inserted plus the cache's age at its
last request, and the age is the rank of what was evicted last. Of equal ranks the one goes that was requested first.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from harness.simulation.records import Block

_ROOM = 1024


class Lfuda:
    """A cache of ``capacity`` bytes. An object that is larger is never kept. Memory grows with what is held."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._used = 0
        self._age = 0
        self._seen = 0
        self._held: dict[int, tuple[int, int, int, int]] = {}
        self._heap: list[tuple[int, int, int]] = []

    @property
    def seen(self) -> int:
        """How many requests there were."""
        return self._seen

    def run(self, blocks: Iterable[Block]) -> tuple[float, float]:
        """Take these requests; the miss ratios among them, by requests and by bytes (0 where there are none)."""
        requests = asked = missed = missed_bytes = 0
        for block in blocks:
            requests += len(block)
            asked += int(block["size"].sum(dtype="u8"))
            for key, size in zip(block["id"].tolist(), block["size"].tolist(), strict=True):
                if not self._hit(key, size):
                    missed += 1
                    missed_bytes += size
        return (missed / requests if requests else 0.0, missed_bytes / asked if asked else 0.0)

    def _hit(self, key: int, size: int) -> bool:
        self._seen += 1
        before = self._held.get(key)
        if before is None:
            if size > self._capacity:
                return False
            self._make_room(size)
            self._used += size
            count = 1
        else:
            # What it was inserted with is what it occupies.
            count, size = before[3] + 1, before[2]
        rank = count + self._age
        self._held[key] = (rank, self._seen, size, count)
        heapq.heappush(self._heap, (rank, self._seen, key))
        if len(self._heap) > 2 * len(self._held) + _ROOM:
            # Every request leaves an outdated entry behind.
            self._heap = [(rank, since, key) for key, (rank, since, *_) in self._held.items()]
            heapq.heapify(self._heap)
        return before is not None

    def _make_room(self, size: int) -> None:
        while self._used + size > self._capacity:
            rank, since, key = heapq.heappop(self._heap)
            held = self._held.get(key)
            if held is not None and held[1] == since:
                del self._held[key]
                self._used -= held[2]
                self._age = rank
