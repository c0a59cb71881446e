"""How often real caches hit, against their policy in a few lines, on the same requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from harness.proxies.caching import CacheSize
from harness.proxies.registry import PROXIES, make
from harness.simulation.sequences import blocks, object_sizes
from harness.spec.proxy import CacheSpec
from harness.spec.sequence import SequenceSpec
from harness.targets import registry
from tests.support import hello, plain_caches
from tests.support.caches import an_origin, cached
from tests.support.deploy import bridged_lab
from tests.support.truth import Truth
from tests.truth.conftest import Weigh

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

PLAIN: dict[str, Callable[[Sequence[plain_caches.Request], int], plain_caches.Run]] = {
    "lru": plain_caches.lru,
    "fifo": plain_caches.fifo,
    "lfuda": plain_caches.lfuda,
}

IN_THEORY = [
    (name, policy)
    for name, proxy in PROXIES.items()
    if name != "squid-cache"
    for policy in sorted(proxy.policies & PLAIN.keys())
]
"""Squid's capacity grows with the rate of misses: docs/adding-a-proxy.md has its ratios against its own rules."""

NEAR = {"lfuda": 0.04}
"""How far a hit ratio may be from theory's, if not 0.02."""

WARM_UP, PART, PARTS, OBJECTS = 2_000, 500, 200, 3_000
SHARE = 0.1


@pytest.mark.parametrize(("name", "policy"), IN_THEORY)
def test_it_hits_as_often_as_its_policy_does_in_theory(name: str, policy: str, weigh: Weigh, tmp_path: Path) -> None:
    """Zipf over a catalogue with the web's sizes, a cache for a tenth of it, warm; each measurement is a part of it."""
    target, proxy = registry.make("process"), make(name)
    target.prepare(hello.build())
    spec = SequenceSpec(requests=WARM_UP + PART * PARTS, objects=OBJECTS, exponent=0.9, seed=3)
    sizes = object_sizes(spec, np.arange(spec.objects, dtype=np.uint64))
    asked = [(int(number), int(sizes[number])) for block in blocks(spec) for number in block["id"]]
    size = CacheSize(round(SHARE * int(sizes.sum())), SHARE)
    missed = PLAIN[policy](asked, proxy.effective_bytes(size.bytes, float(sizes.mean()), policy)).missed
    wanted = CacheSpec.model_validate({"policy": policy})
    parts = iter([range(begin, begin + PART) for begin in range(WARM_UP, len(asked), PART)])
    with (
        bridged_lab("hits") as lab,
        an_origin(target, lab, "svc0", tmp_path) as origin,
        cached(proxy, target, lab, origin, tmp_path / "cache", cache=wanted, size=size) as found,
    ):

        def hits(places: range) -> int:
            words = found.outcomes([f"/sized/{asked[place][1]}/{asked[place][0]}" for place in places])
            assert not set(words) - {"hit", "miss", "pass"}
            return words.count("hit")

        def once() -> tuple[float]:
            places = next(parts)
            in_theory = PART - sum(place in places for place in missed)
            return ((hits(places) - in_theory) / PART,)

        hits(range(WARM_UP))
        near = NEAR.get(policy, 0.02)
        truth = Truth(f"hit ratio of {name} with {policy}, less theory's", "", -near, near, within=near / 2)
        weigh((truth,), once, budget_s=40)
