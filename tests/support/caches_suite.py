"""What the tests of caches share: which caches on which targets, paths nobody asked for, and theory's hit ratios."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np

from harness.cache.sequences import blocks, object_sizes
from harness.lab.bridged import BridgedLab
from harness.proxies.api import Route
from harness.proxies.caching import CacheSize
from harness.proxies.registry import FRONTS, make
from harness.spec.front import CacheSpec
from harness.spec.sequence import SequenceSpec
from harness.units import MIB
from tests.support import plain_caches
from tests.support.cache_origin import body_of
from tests.support.caches import Answer, Cached, cached

CACHES = [name for name, front in FRONTS.items() if front.policies]
ON = [(target, front) for target in ("process", "container") for front in CACHES]
ONCE = {"varnish", "nginx-cache"}
"""Which of them promise that a herd reaches the origin exactly once."""

PASSED_ON = 3
"""How many requests of a herd may reach the origin where that is not promised."""

PLAIN: dict[str, Callable[[Sequence[plain_caches.Request], int], plain_caches.Run]] = {
    "lru": plain_caches.lru,
    "fifo": plain_caches.fifo,
    "lfuda": plain_caches.lfuda,
}


def that_can(key: str) -> list[tuple[str, str]]:
    """The pairs whose cache knows that key of the table ``cache``."""
    return [(target, front) for target, front in ON if key not in FRONTS[front].lacks]


class Another:
    """Launches the cache that is running on the same target with another configuration."""

    def __init__(self, running: Cached, lab: BridgedLab, scratch: Path, stack: ExitStack) -> None:
        self._running = running
        self._lab = lab
        self._scratch = scratch
        self._stack = stack
        self._numbers = count()

    def __call__(
        self, size: CacheSize | None = None, routes: tuple[Route, ...] = (), **cache: float | bool | str
    ) -> Cached:
        number, running = next(self._numbers), self._running
        made = cached(
            running.front,
            running.target,
            self._lab,
            running.origin,
            self._scratch / str(number),
            cache=CacheSpec.model_validate(cache),
            size=size or CacheSize(16 * MIB),
            routes=routes,
            at=self._lab.address(f"front{number}"),
        )
        return self._stack.enter_context(made)


_FRESH = count(1000)


def fresh(kind: str = "objects", size: int | None = None) -> str:
    """A path that no test has asked for."""
    number = next(_FRESH)
    return f"/{kind}/{number}" if size is None else f"/sized/{size}/{number}"


def right(answer: Answer, path: str) -> bool:
    """Whether the whole object came, and no other."""
    return answer.status == 200 and answer.body == body_of(path)


def held_of(found: Cached, paths: list[str]) -> int:
    """How many of the last of these are there. A missed one takes another's place, so the order is from the last."""
    outcomes = found.outcomes(paths[::-1])
    return next((place for place, word in enumerate(outcomes) if word != "hit"), len(outcomes))


@dataclass(frozen=True, slots=True)
class Compared:
    """Hit ratios of the same requests, warm-up left out, and the bytes that theory was given."""

    real: float
    theory: float
    size: int
    effective: int


def against_theory(
    another: Another, name: str, policy: str, share: float, size_bytes: int | None = None, requests: int = 30_000
) -> Compared:
    """A third of the requests is warm-up."""
    spec = SequenceSpec(requests=requests, objects=5_000, exponent=0.9, seed=3, size_bytes=size_bytes)
    sizes = object_sizes(spec, np.arange(spec.objects, dtype=np.uint64))
    asked = [(int(number), int(sizes[number])) for block in blocks(spec) for number in block["id"]]
    size = CacheSize(round(share * int(sizes.sum())), share)
    found = another(size, policy=policy)
    mine = next(_FRESH)
    outcomes = found.outcomes([f"/sized/{held}/{mine}/{number}" for number, held in asked])
    assert not set(outcomes) - {"hit", "miss", "pass"}
    effective = make(name).effective_bytes(size.bytes, float(sizes.mean()), policy)
    begin = requests // 3
    missed, _ = PLAIN[policy](asked, effective).ratios(asked, begin)
    return Compared(outcomes[begin:].count("hit") / (requests - begin), 1 - missed, size.bytes, effective)
