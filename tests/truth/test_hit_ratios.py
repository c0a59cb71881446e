"""How often real caches hit, against their policy in a few lines, on the same requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from harness.cache.sequences import blocks, object_sizes
from harness.fronts.caching import CacheSize
from harness.fronts.registry import FRONTS, make
from harness.spec.front import CacheSpec
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
    for name, front in FRONTS.items()
    if name != "squid-cache"
    for policy in sorted(front.policies & PLAIN.keys())
]
"""Squid's capacity grows with the rate of misses: docs/adding-a-front.md has its ratios against its own rules."""

NEAR = {"lfuda": 0.04}
"""How far a hit ratio may be from theory's, if not 0.02."""

REQUESTS, OBJECTS, WARM_UP = 4_000, 3_000, 1_500
SHARE = 0.1


@pytest.mark.parametrize(("name", "policy"), IN_THEORY)
def test_it_hits_as_often_as_its_policy_does_in_theory(name: str, policy: str, weigh: Weigh, tmp_path: Path) -> None:
    """Zipf over a catalogue with the web's sizes, a cache for a tenth of it; each measurement has another seed."""
    target, front, seeds = registry.make("process"), make(name), count(1)
    target.prepare(hello.build())
    with bridged_lab("hits") as lab, an_origin(target, lab, "svc0", tmp_path) as origin:

        def once() -> tuple[float]:
            seed = next(seeds)
            spec = SequenceSpec(requests=REQUESTS, objects=OBJECTS, exponent=0.9, seed=seed)
            sizes = object_sizes(spec, np.arange(spec.objects, dtype=np.uint64))
            asked = [(int(number), int(sizes[number])) for block in blocks(spec) for number in block["id"]]
            size = CacheSize(round(SHARE * int(sizes.sum())), SHARE)
            with cached(
                front, target, lab, origin, tmp_path / f"{seed}", cache=CacheSpec(policy=policy), size=size
            ) as found:
                outcomes = found.outcomes([f"/sized/{held}/{number}" for number, held in asked])
            assert not set(outcomes) - {"hit", "miss", "pass"}
            effective = front.effective_bytes(size.bytes, float(sizes.mean()), policy)
            missed, _ = PLAIN[policy](asked, effective).ratios(asked, WARM_UP)
            return (outcomes[WARM_UP:].count("hit") / (REQUESTS - WARM_UP) - (1 - missed),)

        near = NEAR.get(policy, 0.02)
        truth = Truth(f"hit ratio of {name} with {policy}, less theory's", "", -near, near, within=near / 2)
        weigh((truth,), once, budget_s=45)
