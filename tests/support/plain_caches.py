"""Eviction policies in a few lines each, written from their papers: an outside truth for the simulator.

All follow the same rules: an object that is larger than the cache is never kept, every other one is inserted when it is
missed, after as many others were evicted as it needs.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

Request = tuple[int, int]
"""An object and its size."""


@dataclass(slots=True)
class Run:
    """``missed``: the places of the misses. ``evicted_hit``: evictions of objects that had been hit meanwhile."""

    missed: list[int] = field(default_factory=list)
    evicted_hit: int = 0

    def ratios(self, requests: Sequence[Request], begin: int = 0) -> tuple[float, float]:
        """Miss ratios by requests and by bytes, from place ``begin`` on."""
        lost = [requests[place] for place in self.missed if place >= begin]
        asked = requests[begin:]
        return len(lost) / len(asked), sum(size for _, size in lost) / sum(size for _, size in asked)


def fifo(requests: Iterable[Request], capacity: int) -> Run:
    return _in_order(requests, capacity, move=False)


def lru(requests: Iterable[Request], capacity: int) -> Run:
    return _in_order(requests, capacity, move=True)


def _in_order(requests: Iterable[Request], capacity: int, *, move: bool) -> Run:
    run, held, hit = Run(), OrderedDict[int, int](), set[int]()
    used = 0
    for place, (key, size) in enumerate(requests):
        if key in held:
            hit.add(key)
            if move:
                held.move_to_end(key)
            continue
        run.missed.append(place)
        if size > capacity:
            continue
        while used + size > capacity:
            gone, freed = held.popitem(last=False)
            used -= freed
            run.evicted_hit += gone in hit
            hit.discard(gone)
        held[key] = size
        used += size
    return run


def lfu(requests: Iterable[Request], capacity: int) -> Run:
    """Of those requested equally often since their insertion, the one goes that has been so for the longest time."""
    run, heap = Run(), list[tuple[int, int, int]]()
    held: dict[int, tuple[int, int, int]] = {}
    used = 0
    for place, (key, size) in enumerate(requests):
        if key in held:
            count = held[key][0] + 1
        else:
            count = 1
            run.missed.append(place)
            if size > capacity:
                continue
            while used + size > capacity:
                rank, since, gone = heapq.heappop(heap)
                if gone in held and held[gone][:2] == (rank, since):
                    used -= held.pop(gone)[2]
                    run.evicted_hit += rank > 1
            used += size
        held[key] = (count, place, size)
        heapq.heappush(heap, (count, place, key))
    return run


def lfuda(requests: Iterable[Request], capacity: int) -> Run:
    """Arlitt et al. 2000 (and Squid's ``heap LFUDA``): LFU, but a request ranks an object by its count plus the cache's
    age, which is the rank of what was evicted last. Of equal ranks the one goes that was requested first."""
    run, heap = Run(), list[tuple[int, int, int]]()
    held: dict[int, tuple[int, int, int, int]] = {}
    used = age = 0
    for place, (key, size) in enumerate(requests):
        if key in held:
            count = held[key][3] + 1
        else:
            count = 1
            run.missed.append(place)
            if size > capacity:
                continue
            while used + size > capacity:
                rank, since, gone = heapq.heappop(heap)
                if gone in held and held[gone][:2] == (rank, since):
                    *_, freed, hits = held.pop(gone)
                    used, age = used - freed, rank
                    run.evicted_hit += hits > 1
            used += size
        held[key] = (count + age, place, size, count)
        heapq.heappush(heap, (count + age, place, key))
    return run


class _Node:
    __slots__ = ("hit", "key", "newer", "older", "size", "visited")

    def __init__(self, key: int, size: int) -> None:
        self.key, self.size = key, size
        self.visited = self.hit = False
        self.newer: _Node | None = None
        self.older: _Node | None = None


def sieve(requests: Iterable[Request], capacity: int) -> Run:
    """Zhang et al., NSDI '24: a hand moves from the oldest to the newest, spares what was visited, evicts the rest."""
    run, held = Run(), dict[int, _Node]()
    newest: _Node | None = None
    oldest: _Node | None = None
    hand: _Node | None = None
    used = 0
    for place, (key, size) in enumerate(requests):
        if key in held:
            held[key].visited = held[key].hit = True
            continue
        run.missed.append(place)
        if size > capacity:
            continue
        while used + size > capacity:
            node = hand or oldest
            assert node is not None
            while node.visited:
                node.visited = False
                node = node.newer or oldest
                assert node is not None
            hand = node.newer
            if node.newer is None:
                newest = node.older
            else:
                node.newer.older = node.older
            if node.older is None:
                oldest = node.newer
            else:
                node.older.newer = node.newer
            used -= node.size
            run.evicted_hit += node.hit
            del held[node.key]
        made = _Node(key, size)
        made.older = newest
        if newest is None:
            oldest = made
        else:
            newest.newer = made
        newest = made
        held[key] = made
        used += size
    return run


def belady(requests: Sequence[Request], capacity: int) -> Run:
    """What is requested again last goes; what never is, before all."""
    never = len(requests)
    places = defaultdict[int, deque[int]](deque)
    for place, (key, _) in enumerate(requests):
        places[key].append(place)
    run, heap = Run(), list[tuple[int, int]]()
    held: dict[int, tuple[int, int]] = {}
    used = 0
    for place, (key, size) in enumerate(requests):
        places[key].popleft()
        following = places[key][0] if places[key] else never
        if key not in held:
            run.missed.append(place)
            if size > capacity:
                continue
            while used + size > capacity:
                later, gone = heapq.heappop(heap)
                if gone in held and held[gone][0] == -later:
                    used -= held.pop(gone)[1]
            used += size
        held[key] = (following, size)
        heapq.heappush(heap, (-following, key))
    return run


PLAIN: dict[str, Callable[[Sequence[Request], int], Run]] = {
    "FIFO": fifo,
    "LRU": lru,
    "LFU": lfu,
    "LFUDA-textbook": lfuda,
    "SIEVE": sieve,
    "Belady": belady,
}
