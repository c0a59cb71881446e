"""What caches made of the requests of one attempt, and what the origin counted meanwhile. Pure.

A request is *served* if the cache answered it from what it held (hit, stale), *fetched* if it went on to what is
behind the cache (miss, pass), and *collapsed* if it waited for another request's fetch.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from harness.analysis.validity import ANSWERED
from harness.records.trial import TrialRecord

SERVED = ("hit", "stale")
FETCHED = ("miss", "pass")
CACHEABLE = ("hit", "stale", "miss", "collapsed")
PARTS = ("hit", "miss")
"""Whose latencies are told apart: what was served, and what was not (fetched, or waited for a fetch)."""


def words_of(samples: pd.DataFrame) -> pd.Series[str]:
    """What the cache made of each request (harness.store.samples.CACHE); ``none`` where no cache said anything."""
    return _text(samples, "cache", "none")


def regions_of(samples: pd.DataFrame) -> pd.Series[str]:
    """Where each request's client stands; empty without regions."""
    return _text(samples, "region", "")


def parts_of(words: pd.Series[str]) -> pd.Series[str]:
    """``hit``, ``miss`` (harness.analysis.caching.PARTS) or ``none`` of each request."""
    found = words.where(words == "none", "miss")
    return found.mask(words.isin(SERVED), "hit")


def ratios(measured: pd.DataFrame) -> dict[str, float | None]:
    """``hit_ratio`` and ``byte_hit_ratio``: what was served, of the cacheable requests and of their bytes.

    ``measured``: the answered requests of the window. Absent where no cache said anything. What is not cacheable is
    left out, since no policy could have kept it; a collapsed request is no hit.
    """
    words = words_of(measured)
    cacheable = words.isin(CACHEABLE)
    if not cacheable.any():
        return {}
    sizes, served = measured["bytes"], words.isin(SERVED)
    asked = int(sizes[cacheable].sum())
    return {
        "hit_ratio": float(served.sum() / cacheable.sum()),
        "byte_hit_ratio": float(sizes[served].sum() / asked) if asked else None,
    }


@dataclass(frozen=True, slots=True)
class Counts:
    """The requests of one attempt over all of the load, warm-up and tail included, as the origin counts them.

    ``answered`` came with a response; ``errors`` were sent and did not.
    """

    answered: int
    served: int
    stale: int
    missed: int
    passed: int
    collapsed: int
    errors: int

    @classmethod
    def of(cls, samples: pd.DataFrame) -> Counts:
        known = samples[samples["outcome"].isin(ANSWERED)]
        words = words_of(known).value_counts()
        return cls(
            answered=len(known),
            served=sum(int(words.get(word, 0)) for word in SERVED),
            stale=int(words.get("stale", 0)),
            missed=int(words.get("miss", 0)),
            passed=int(words.get("pass", 0)),
            collapsed=int(words.get("collapsed", 0)),
            errors=int((samples["outcome"] == "error").sum()),
        )

    @property
    def fetched(self) -> int:
        """What the origin must have counted, where every cache asks it and every response came back."""
        return self.missed + self.passed


def at_origin(record: TrialRecord, samples: pd.DataFrame) -> dict[str, float | None]:
    """``origin_requests`` and ``offload``, which is 1 - origin requests / answered requests, over all of the load."""
    if record.origin is None:
        return {}
    answered = Counts.of(samples).answered
    return {
        "origin_requests": float(record.origin.requests),
        "offload": 1 - record.origin.requests / answered if answered else None,
    }


def _text(samples: pd.DataFrame, column: str, absent: str) -> pd.Series[str]:
    if column in samples:
        return samples[column].astype("str")
    return pd.Series(absent, index=samples.index, dtype="str")
