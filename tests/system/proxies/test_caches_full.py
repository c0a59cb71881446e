"""The contract of proxies that cache, once they are full: what they hold and what they evict.

How often they hit, against theory: tests/truth/test_hit_ratios.py.
"""

from __future__ import annotations

import logging
import random
import time

import pytest

from harness.proxies.caching import CacheSize
from harness.units import MIB
from tests.support.caches import Cached
from tests.support.caches_suite import CACHES, Another, fresh, held_of
from tests.support.proxies import each

pytestmark = pytest.mark.timeout(1500)

MARGIN = 0.06
"""How far the bodies that a full cache holds may be from what its model says."""


MARGINS = {"trafficserver": 0.12}
"""Its buffers are powers of two, and what that costs depends on the sizes."""

SETTLES_S = {"squid-cache": 1.5}
"""It makes room once a second."""

FULL = [("process", proxy) for proxy in CACHES]
"""What it holds is its own affair, whatever it is deployed on."""

LOG = logging.getLogger(__name__)


@each(FULL)
def test_a_full_cache_holds_what_its_model_says(running: Cached, another: Another) -> None:
    """What was asked for last is asked for again, backwards, until one is missed: that many it holds."""
    policy = "lru" if "lru" in running.proxy.policies else sorted(running.proxy.policies)[0]
    size, dice = CacheSize(8 * MIB), random.Random(2)
    for mean in (4_000, 10_000, 30_000):
        found = another(size, policy=policy)
        sizes = [dice.randint(mean // 2, mean * 3 // 2) for _ in range(2 * size.bytes // mean)]
        paths = [fresh(size=each_size) for each_size in sizes]
        assert set(found.outcomes(paths)) == {"miss"}
        time.sleep(SETTLES_S.get(running.proxy.name, 0.3))
        held = held_of(found, paths)
        model = running.proxy.effective_bytes(size.bytes, mean, policy)
        LOG.info("%s: %d objects of %d bytes in %d", running.proxy.name, held, mean, size.bytes)
        assert abs(sum(sizes[-held:]) / model - 1) <= MARGINS.get(running.proxy.name, MARGIN), (
            mean,
            held,
            sum(sizes[-held:]),
            model,
        )


@each(FULL)
def test_its_policy_is_in_force(running: Cached, another: Another) -> None:
    """A few objects are asked for again and again while others pass through, twice the capacity: does that keep them?

    LRU, and whatever counts, keeps what is asked for again; FIFO does not. What counts keeps objects that were asked
    for often even if a scan of the whole capacity follows without them; LRU does not.
    """
    size = CacheSize(2 * MIB)
    for policy in sorted(running.proxy.policies):
        found = another(size, policy=policy)
        held = found.proxy.effective_bytes(size.bytes, 10_000, policy) // 10_000
        popular = [fresh(size=10_000) for _ in range(held // 10)]
        asked = popular * 4
        for _ in range(20):
            asked += [fresh(size=10_000) for _ in range(held // 10)] + popular
        assert not set(found.outcomes(asked)) - {"hit", "miss"}
        if policy == "fifo":
            # Each is missed once in every turn of the list, whatever is asked between.
            assert sum(found.origin.asked(path) for path in popular) >= 2 * len(popular)
            continue
        assert all(found.origin.asked(path) == 1 for path in popular), policy
        scan = [fresh(size=10_000) for _ in range(held * 3 // 2)]
        found.outcomes(scan)
        time.sleep(SETTLES_S.get(running.proxy.name, 0.3))
        kept = sum(word == "hit" for word in found.outcomes(popular))
        if policy == "lru":
            assert kept <= 0.1 * len(popular), (policy, kept, len(popular))
        else:
            assert kept >= 0.8 * len(popular), (policy, kept, len(popular))
