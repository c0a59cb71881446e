"""Latency by region, and how far each region is from the hosts. Columns: harness.analysis.campaign."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import pandas as pd

from harness.analysis import caching
from harness.analysis.frames import Row, frame_of
from harness.analysis.metrics import answered, latency_ms
from harness.analysis.percentiles import percentile
from harness.analysis.selection import select
from harness.records.trial import TrialRecord

if TYPE_CHECKING:
    from harness.spec.geography import Geography

ALL = "all"
POP = "proxy-"
"""What the name of a point of presence begins with; its region follows."""

REGION_COLUMNS = {
    **dict.fromkeys(("trial", "variant", "level"), "str"),
    "block": "int64",
    "region": "str",
    "cache": "str",
    "requests": "int64",
    **dict.fromkeys(("latency_p50_ms", "latency_p99_ms"), "float64"),
}
RTT_COLUMNS = {
    **dict.fromkeys(("trial", "variant", "level"), "str"),
    "block": "int64",
    "region": "str",
    "host": "str",
    "role": "str",
    "own": "bool",
    **dict.fromkeys(("asked_ms", "median_ms", "p99_ms"), "float64"),
    "echoes": "int64",
}

Read = Callable[[TrialRecord], pd.DataFrame]


def regions(records: Iterable[TrialRecord], read: Read) -> pd.DataFrame:
    """A row per region of these attempts and what the cache made of its requests. ``read`` gives raw requests."""
    return frame_of((row for record in records for row in _latencies(record, read)), REGION_COLUMNS)


def rtts(records: Iterable[TrialRecord], geography: Geography | None) -> pd.DataFrame:
    """A row per region and host of these attempts."""
    return frame_of((row for record in records for row in _distances(record, geography)), RTT_COLUMNS)


def _head(record: TrialRecord) -> Row:
    return {
        "trial": record.trial,
        "variant": record.variant.name,
        "level": record.level,
        "block": record.block,
    }


def _latencies(record: TrialRecord, read: Read) -> Iterator[Row]:
    if not record.rtts:
        return
    seen = answered(read(record))
    # A task's later requests have no place in the schedule (harness.analysis.metrics).
    seen = seen[~seen["task"].astype(str).str.contains("#", regex=False)]
    part = caching.parts_of(caching.words_of(seen))
    where = caching.regions_of(seen)
    for region in dict.fromkeys(rtt.region for rtt in record.rtts):
        own = where == region
        for name, chosen in ((ALL, own), *((name, own & (part == name)) for name in caching.PARTS)):
            values = latency_ms(seen[chosen])
            if not len(values):
                continue
            yield {
                **_head(record),
                "region": region,
                "cache": name,
                "requests": len(values),
                "latency_p50_ms": percentile(values, 0.5),
                "latency_p99_ms": percentile(values, 0.99),
            }


def _distances(record: TrialRecord, geography: Geography | None) -> Iterator[Row]:
    proxies = {one.name for one in record.instances if one.role == "proxy"}
    for rtt in record.rtts:
        pop = rtt.host in proxies or rtt.host.startswith(POP)
        entry = f"{POP}{geography.entry(rtt.region)}" if geography is not None else ""
        yield {
            **_head(record),
            "region": rtt.region,
            "host": rtt.host,
            "role": "pop" if pop else "origin",
            "own": rtt.host == entry if pop else True,
            "asked_ms": rtt.asked_ms,
            "median_ms": rtt.median_ms,
            "p99_ms": rtt.p99_ms,
            "echoes": rtt.echoes,
        }


def farthest(distances: pd.DataFrame) -> str | None:
    """The region with the largest measured round-trip time to the origin; None where none was measured."""
    to_origin = select(distances, role="origin")
    if to_origin.empty:
        return None
    medians = to_origin.groupby("region", sort=False)["median_ms"].median()
    return str(medians.idxmax())


def nearest(distances: pd.DataFrame) -> str | None:
    """The region with the smallest one: the origin's own, if clients stand there."""
    to_origin = select(distances, role="origin")
    if to_origin.empty:
        return None
    return str(to_origin.groupby("region", sort=False)["median_ms"].median().idxmin())
