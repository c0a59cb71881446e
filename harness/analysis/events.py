"""What happened to a deployment under load, and what its clients noticed. Columns: harness.analysis.campaign.

The requests come from the raw samples of the load's tail, by their intended time: *before* the act, *during* it (from
its begin to the first correct response after it, or to the end of the watch where there was none) and *after*.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pandas as pd

from harness.analysis.frames import Row, frame_of
from harness.analysis.intervals import Estimate, of_trials
from harness.analysis.metrics import answered, latency_ms
from harness.analysis.percentiles import percentile
from harness.clock import NS_PER_S
from harness.records.trial import EventRecord, TrialRecord

MOMENTS = ("before", "during", "after")
COUNTS = ("requests", "failed", "slow")
BIN_S = 0.25
"""The width of a bin of ``timeline``."""

SLOW_FACTOR, SLOW_LEAST_MS = 3.0, 10.0
"""A request is slow above three times the measured window's p99, and never below 10 ms."""

_HEAD = {"trial": "str", "variant": "str", "level": "str", "number": "int64", "kind": "str"}
EVENT_COLUMNS = {
    **_HEAD,
    "service": "str",
    "instance": "str",
    "begin_s": "float64",
    "down_s": "float64",
    "recovered": "bool",
    "slow_above_ms": "float64",
    **{f"{count}_{moment}": "int64" for moment in MOMENTS for count in COUNTS},
    "note": "str",
}
REQUEST_COLUMNS = {
    **_HEAD,
    "moment": "str",
    "task": "str",
    **dict.fromkeys(COUNTS, "int64"),
    "latency_p50_ms": "float64",
    "latency_p99_ms": "float64",
}
TIMELINE_COLUMNS = {**_HEAD, "since_event_s": "float64", "answered": "int64", "failed": "int64", "slow": "int64"}

Read = Callable[[TrialRecord], pd.DataFrame]


def events(records: Iterable[TrialRecord], read: Read) -> pd.DataFrame:
    """A row per event of these attempts. ``read`` gives an attempt's raw requests."""
    return frame_of((_event(*watched) for watched in _watched(records, read)), EVENT_COLUMNS)


def event_requests(records: Iterable[TrialRecord], read: Read) -> pd.DataFrame:
    """A row per event, moment and task: what the load met then."""
    rows: list[Row] = []
    for record, number, event, seen, _ in _watched(records, read):
        for moment in MOMENTS:
            at = seen[seen["moment"] == moment]
            rows += [_requests(record, number, event, moment, str(task), own) for task, own in at.groupby("task")]
    return frame_of(rows, REQUEST_COLUMNS)


def timeline(records: Iterable[TrialRecord], read: Read) -> pd.DataFrame:
    """A row per event and bin of ``BIN_S``, beginning ``since_event_s`` from the act. Bins that the watch covers whole.

    ``answered`` came with the expected response, slow ones included; ``failed`` did not.
    """
    rows: list[Row] = []
    for record, number, event, seen, _ in _watched(records, read):
        width = round(BIN_S * NS_PER_S)
        first = -((event.begin_ns - event.watched_from_ns) // width)
        last = (event.watched_until_ns - event.begin_ns) // width
        place = np.floor_divide(seen["intended_ns"].to_numpy(dtype=np.int64) - event.begin_ns, width)
        for index in range(first, last):
            own = seen[place == index]
            failed = int(own["failed"].sum())
            rows.append(
                _head(record, number, event)
                | {
                    "since_event_s": index * BIN_S,
                    "answered": len(own) - failed,
                    "failed": failed,
                    "slow": int(own["slow"].sum()),
                }
            )
    return frame_of(rows, TIMELINE_COLUMNS)


def slow_above_ms(samples: pd.DataFrame) -> float:
    """Above which latency a request of this attempt is called slow.

    Three times the 99th percentile of the measured window; of its slowest request, where it has too few for one. At
    least 10 ms, so that what nobody would notice is not counted.
    """
    window = latency_ms(answered(samples))
    usual = percentile(window, 0.99)
    if usual is None:
        usual = float(window.max()) if len(window) else 0.0
    return max(SLOW_FACTOR * usual, SLOW_LEAST_MS)


def down(events: pd.DataFrame) -> Estimate | None:
    """The time from the act to the first correct response after it, over the trials that saw one; None without any."""
    values = events["down_s"].dropna().to_numpy(dtype=np.float64)
    return of_trials(values) if len(values) else None


def _watched(
    records: Iterable[TrialRecord], read: Read
) -> Iterator[tuple[TrialRecord, int, EventRecord, pd.DataFrame, float]]:
    """Each event with its number in the trial, from 1, the requests of its watch, and what is slow there."""
    for record in records:
        if not record.events:
            continue
        samples = read(record)
        above = slow_above_ms(samples)
        tail = samples[samples["phase"] == "tail"]
        for number, event in enumerate(record.events, start=1):
            yield record, number, event, _seen(tail, event, above), above


def _seen(tail: pd.DataFrame, event: EventRecord, slow_ms: float) -> pd.DataFrame:
    intended = tail["intended_ns"]
    seen = tail[(intended >= event.watched_from_ns) & (intended < event.watched_until_ns)].copy()
    end_ns = event.watched_until_ns if event.recovered_ns is None else event.recovered_ns
    seen["moment"] = np.where(
        seen["intended_ns"] < event.begin_ns, "before", np.where(seen["intended_ns"] < end_ns, "during", "after")
    )
    seen["task"] = seen["task"].astype(str)
    seen["failed"] = seen["outcome"] != "ok"
    seen["latency_ms"] = latency_ms(seen)
    seen["slow"] = ~seen["failed"] & (seen["latency_ms"] > slow_ms)
    return seen


def _head(record: TrialRecord, number: int, event: EventRecord) -> Row:
    return {
        "trial": record.trial,
        "variant": record.variant.name,
        "level": record.level,
        "number": number,
        "kind": event.kind,
    }


def _event(record: TrialRecord, number: int, event: EventRecord, seen: pd.DataFrame, above: float) -> Row:
    window_ns = record.load.window_begin_ns if record.load is not None else event.watched_from_ns
    counts: Row = {}
    for moment in MOMENTS:
        at = seen[seen["moment"] == moment]
        sizes = (len(at), int(at["failed"].sum()), int(at["slow"].sum()))
        counts |= {f"{name}_{moment}": size for name, size in zip(COUNTS, sizes, strict=True)}
    return {
        **_head(record, number, event),
        "service": event.service,
        "instance": event.instance,
        "begin_s": (event.begin_ns - window_ns) / NS_PER_S,
        "down_s": None if event.recovered_ns is None else (event.recovered_ns - event.begin_ns) / NS_PER_S,
        "recovered": event.recovered_ns is not None,
        "slow_above_ms": above,
        **counts,
        "note": event.note,
    }


def _requests(record: TrialRecord, number: int, event: EventRecord, moment: str, task: str, own: pd.DataFrame) -> Row:
    # A task's later requests have no place in the schedule, so their latency says nothing (harness.analysis.metrics).
    latencies = own.loc[~own["failed"], "latency_ms"].to_numpy(dtype=np.float64) if "#" not in task else np.empty(0)
    return {
        **_head(record, number, event),
        "moment": moment,
        "task": task,
        "requests": len(own),
        "failed": int(own["failed"].sum()),
        "slow": int(own["slow"].sum()),
        "latency_p50_ms": percentile(latencies, 0.5),
        "latency_p99_ms": percentile(latencies, 0.99),
    }
