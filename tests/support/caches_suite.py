"""What the tests of caches share: which caches on which targets, and paths that nobody asked for."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import count
from pathlib import Path

from harness.lab.bridged import BridgedLab
from harness.proxies.api import Route
from harness.proxies.caching import CacheSize
from harness.proxies.registry import PROXIES
from harness.spec.proxy import CacheSpec
from harness.units import MIB
from tests.support.cache_origin import body_of
from tests.support.caches import Answer, Cached, cached
from tests.support.proxies import CORE

CACHES = [name for name, proxy in PROXIES.items() if proxy.policies]
ON = [(target, proxy) for target in ("process", "container") for proxy in CACHES]
ONCE = {"varnish", "nginx-cache"}
"""Which of them promise that a herd reaches the origin exactly once."""

PASSED_ON = 3
"""How many requests of a herd may reach the origin where that is not promised."""


_OWN = [(target, proxy) for target, proxy in ON if target == "process" or (target, proxy) in CORE]
"""For what is a cache's own, whatever it is deployed on, and takes the time in which an object grows stale."""


def that_can(key: str) -> list[tuple[str, str]]:
    """The pairs whose cache knows that key of the table ``cache``: on one target, and what ``make test`` looks at."""
    return [(target, proxy) for target, proxy in _OWN if key not in PROXIES[proxy].lacks]


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
            running.proxy,
            running.target,
            self._lab,
            running.origin,
            self._scratch / str(number),
            cache=CacheSpec.model_validate(cache),
            size=size or CacheSize(16 * MIB),
            routes=routes,
            at=self._lab.address(f"proxy{number}"),
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
