"""Caches: what they kept, what the origin counted, and real policies against simulated ones.

Columns: harness.analysis.campaign.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pandas as pd

from harness.analysis import caching
from harness.analysis.frames import Row, frame_of
from harness.analysis.intervals import Estimate, of_differences, of_known
from harness.analysis.metrics import answered, latency_ms
from harness.analysis.percentiles import percentile
from harness.records.cache import SIMULATION, CacheRecord, Simulated, SimulatedRatio
from harness.records.trial import TrialRecord

POINTS: Mapping[tuple[str, str], float] = {
    ("varnish", "lru"): 2.0,
    ("varnish", "fifo"): 2.0,
    ("squid-cache", "lru"): 2.0,
    ("squid-cache", "lfuda"): 4.0,
}
"""How far, in percentage points, a real cache's hit ratio may lie from its simulation: those that evict at once, in
exactly that order. nginx evicts in passes of a process of its own, Traffic Server's RAM cache stands before a disk
cache; they are shown and decide nothing."""

_HEAD = {**dict.fromkeys(("trial", "variant", "level", "proxy", "kind", "policy"), "str"), "block": "int64"}
_COUNTS = ("answered", "served", "stale", "missed", "passed", "collapsed", "errors")
CACHE_COLUMNS = {
    **_HEAD,
    "caches": "int64",
    **dict.fromkeys(("cache_share", "size_bytes", "effective_bytes"), "float64"),
    **dict.fromkeys(_COUNTS, "int64"),
    **dict.fromkeys(("origin_requests", "origin_bytes", "excess", "offload", "hit_ratio", "byte_hit_ratio"), "float64"),
    **dict.fromkeys(("hit_p50_ms", "miss_p50_ms"), "float64"),
}
POLICY_COLUMNS = {
    **dict.fromkeys(("variant", "level", "proxy", "kind", "policy"), "str"),
    **dict.fromkeys(("cache_share", "size_bytes", "effective_bytes"), "float64"),
    "n": "int64",
    **{f"{name}{end}": "float64" for name in ("hit_ratio", "byte_hit_ratio") for end in ("", "_low", "_high")},
    "simulated_policy": "str",
    **dict.fromkeys(("simulated", "simulated_bytes"), "float64"),
    **{f"{name}{end}": "float64" for name in ("points", "byte_points") for end in ("", "_low", "_high")},
    "limit_points": "float64",
}
SIMULATED_COLUMNS = {
    **dict.fromkeys(("policy", "sequence"), "str"),
    **dict.fromkeys(("cache_share", "effective_bytes", "hit_ratio", "byte_hit_ratio"), "float64"),
    "matched": "bool",
}

Read = Callable[[TrialRecord], pd.DataFrame]


def caches(records: Iterable[TrialRecord], read: Read) -> pd.DataFrame:
    """A row per attempt that has caches, or whose origin counted. ``read`` gives an attempt's raw requests."""
    return frame_of((_attempt(record, read(record)) for record in records if _concerns(record)), CACHE_COLUMNS)


def simulated(found: Simulated | None) -> pd.DataFrame:
    """A row per simulated policy, sequence and capacity; hit ratios are 1 - the miss ratios that were kept."""
    rows: list[Row] = [
        {
            "policy": ratio.policy,
            "sequence": ratio.sequence,
            "cache_share": ratio.cache_share,
            "effective_bytes": ratio.effective_bytes,
            "hit_ratio": 1 - ratio.by_requests,
            "byte_hit_ratio": 1 - ratio.by_bytes,
            "matched": ratio.matched,
        }
        for ratio in (found.ratios if found is not None else ())
    ]
    return frame_of(rows, SIMULATED_COLUMNS)


def policies(attempts: pd.DataFrame, replayed: Mapping[str, str], found: Simulated | None) -> pd.DataFrame:
    """A row per variant with one cache and replayed sequence: its hit ratio against that of its simulated policy.

    ``attempts``: rows of ``caches``. ``replayed``: sequences by the level that replays them. The simulation is that of
    the cache's effective capacity; without it the simulated columns are NaN.
    """
    rows = []
    own = attempts[(attempts["caches"] == 1) & attempts["level"].isin(list(replayed)) & attempts["hit_ratio"].notna()]
    for (_, level), cell in own.groupby(["variant", "level"], sort=False):
        rows.append(_policy(cell, _simulation(cell, replayed[str(level)], found)))
    return frame_of(rows, POLICY_COLUMNS)


def _concerns(record: TrialRecord) -> bool:
    return bool(record.caches) or record.origin is not None


def _attempt(record: TrialRecord, samples: pd.DataFrame) -> Row:
    counts = caching.Counts.of(samples)
    cache = record.caches[0] if record.caches else None
    origin = record.origin
    measured = answered(samples)
    part = caching.parts_of(caching.words_of(measured))
    excess = origin.requests - (counts.fetched if cache is not None else counts.answered) if origin else None
    return {
        "trial": record.trial,
        "variant": record.variant.name,
        "level": record.level,
        "proxy": record.variant.proxy,
        "block": record.block,
        "caches": len(record.caches),
        **_of_cache(cache),
        **{name: getattr(counts, name) for name in _COUNTS},
        "origin_requests": origin.requests if origin else None,
        "origin_bytes": origin.bytes if origin else None,
        "excess": excess,
        "offload": caching.at_origin(record, samples).get("offload"),
        "hit_ratio": None,
        "byte_hit_ratio": None,
        **caching.ratios(measured),
        **{f"{name}_p50_ms": percentile(latency_ms(measured[part == name]), 0.5) for name in caching.PARTS},
    }


def _of_cache(cache: CacheRecord | None) -> Row:
    """All caches of a deployment are configured alike."""
    if cache is None:
        return {"kind": "", "policy": "", "cache_share": None, "size_bytes": None, "effective_bytes": None}
    return {
        "kind": cache.kind,
        "policy": cache.policy,
        "cache_share": cache.share,
        "size_bytes": cache.size_bytes,
        "effective_bytes": cache.effective_bytes,
    }


def _simulation(cell: pd.DataFrame, sequence: str, found: Simulated | None) -> SimulatedRatio | None:
    wanted = SIMULATION.get(str(cell["policy"].iloc[0]))
    capacity = cell["effective_bytes"].iloc[-1]
    for ratio in found.ratios if found is not None else ():
        if (ratio.policy, ratio.sequence) == (wanted, sequence) and ratio.effective_bytes == capacity:
            return ratio
    return None


def _policy(cell: pd.DataFrame, ratio: SimulatedRatio | None) -> Row:
    first = cell.iloc[0]
    kind, policy = str(first["kind"]), str(first["policy"])
    row: Row = {
        **{name: first[name] for name in ("variant", "level", "proxy", "kind", "policy")},
        **{name: first[name] for name in ("cache_share", "size_bytes", "effective_bytes")},
        "n": len(cell),
        "simulated_policy": SIMULATION.get(policy, ""),
        "limit_points": POINTS.get((kind, policy)),
    }
    for name, points, part in (
        ("hit_ratio", "points", "simulated"),
        ("byte_hit_ratio", "byte_points", "simulated_bytes"),
    ):
        real = cell[name].dropna().to_numpy(dtype=np.float64)
        row |= _ends(name, of_known(real))
        if ratio is not None:
            expected = 1 - (ratio.by_requests if part == "simulated" else ratio.by_bytes)
            row[part] = expected
            row |= _ends(points, of_differences(100 * real, np.full(len(real), 100 * expected)))
    return row


def _ends(name: str, found: Estimate | None) -> Row:
    if found is None:
        return {}
    return {name: found.median, f"{name}_low": found.low, f"{name}_high": found.high}
