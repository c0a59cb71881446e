"""Raw requests as Parquet, one file per attempt.

Columns: ``intended_ns``, ``sent_ns``, ``done_ns`` (int64, points of the host's monotonic clock; 0 where it never came
to that); ``phase`` (warmup, measured, tail, capacity); ``outcome`` (ok, dropped, error, unexpected); ``status`` (HTTP,
0 for none); ``task`` (the name that the workload's locustfile gives the request); ``bytes`` (of the response's body);
``region`` (where the client stands; empty without regions); ``cache`` (what the proxy's cache made of it, see CACHE).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from harness.runtime.atomic_file import atomic_write
from harness.store.words import OUTCOMES, PHASES

CACHE = ("none", "hit", "miss", "stale", "collapsed", "pass")
"""``none``: no cache said anything. ``hit``: served from the cache, fresh. ``miss``: fetched from behind it. ``stale``:
served from the cache though no longer fresh. ``collapsed``: waited for another request's fetch. ``pass``: not
cacheable. Where a cache cannot tell a collapsed request from a hit, it is a hit (docs/adding-a-proxy.md)."""
_TIMES = ("intended_ns", "sent_ns", "done_ns")
COLUMNS = (*_TIMES, "phase", "outcome", "status", "task", "bytes", "region", "cache")
_ADDED = {"region": "", "cache": "none"}
"""Columns that files of before regions and caches lack, and what they would say."""


def write(path: Path, requests: np.ndarray, tasks: list[str], regions: Sequence[str] = ()) -> None:
    """Write the generator's records: a structured array with the columns' names, codes for the words.

    ``tasks`` and ``regions`` are the words of two of them. The file is there whole or not at all.
    """
    arrays: dict[str, pa.Array] = {name: pa.array(requests[name].astype(np.int64)) for name in _TIMES}
    arrays["phase"] = _words(requests["phase"], PHASES)
    arrays["outcome"] = _words(requests["outcome"], OUTCOMES)
    arrays["status"] = pa.array(requests["status"].astype(np.int32))
    arrays["task"] = _words(requests["task"], tuple(tasks))
    arrays["bytes"] = pa.array(requests["bytes"].astype(np.int64))
    arrays["region"] = _words(requests["region"], tuple(regions) or ("",))
    arrays["cache"] = _words(requests["cache"], CACHE)
    with atomic_write(path) as partial:
        pq.write_table(pa.table(arrays), partial, compression="zstd")


def read(path: Path) -> pd.DataFrame:
    """The frame that was written, words as categories."""
    frame: pd.DataFrame = pq.read_table(path).to_pandas()
    for name, word in _ADDED.items():
        if name not in frame:
            frame[name] = pd.Categorical([word] * len(frame), categories=[word])
    return frame


def empty() -> pd.DataFrame:
    """A frame with the columns and no rows."""
    return pd.DataFrame({name: pd.Series(dtype="int64") for name in COLUMNS})


def _words(codes: np.ndarray, words: tuple[str, ...]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int16)), pa.array(words, pa.string()))
