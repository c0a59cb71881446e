"""What each instance of a deployment was measured at, and what it served. Columns: harness.analysis.campaign."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pandas as pd

from harness.analysis.frames import Row, frame_of
from harness.analysis.metrics import answered, cpu_ms
from harness.clock import NS_PER_S
from harness.store.records import InstanceRecord, MemoryView, TrialRecord
from harness.units import mib

FIGURES = ("startup_s", "ready_after_s", "memory_mib", "memory_load_mib", "cpu_ms_per_request")
"""The columns that are figures, in the order in which they are shown."""

_TEXT = ("trial", "variant", "level", "instance", "service", "role", "target", "accelerator")
INSTANCE_COLUMNS = {**dict.fromkeys(_TEXT, "str"), **dict.fromkeys(FIGURES, "float64")}
SERVED_COLUMNS = {
    **dict.fromkeys(("trial", "variant", "level", "instance", "service"), "str"),
    "replicas": "int64",
    "requests": "int64",
    "share": "float64",
}


def instances(records: Iterable[TrialRecord], read: Callable[[TrialRecord], pd.DataFrame]) -> pd.DataFrame:
    """A row per instance of these attempts. ``read`` gives an attempt's raw requests."""
    return frame_of((row for record in records if record.instances for row in _rows(record, read)), INSTANCE_COLUMNS)


def served(records: Iterable[TrialRecord]) -> pd.DataFrame:
    """A row per instance that the front of these attempts passed requests on to.

    ``share`` is of its service's requests, ``replicas`` how many instances shared them. A replica that served nothing
    has its row, with 0.
    """
    return frame_of((row for record in records if record.served for row in _shares(record)), SERVED_COLUMNS)


def _rows(record: TrialRecord, read: Callable[[TrialRecord], pd.DataFrame]) -> Iterator[Row]:
    requests = len(answered(read(record))) or (record.load.completed if record.load is not None else 0)
    for one in record.instances:
        yield {
            "trial": record.trial,
            "variant": record.variant.name,
            "level": record.level,
            "instance": one.name,
            "service": one.service,
            "role": one.role,
            "target": one.target,
            "accelerator": one.accelerator,
            **_startup(one),
            "memory_mib": _pss_mib(one.memory_idle),
            "memory_load_mib": _pss_mib(one.memory_load),
            "cpu_ms_per_request": cpu_ms(one.cpu) / requests if one.cpu is not None and requests else None,
        }


def _startup(one: InstanceRecord) -> Row:
    if one.startup is None:
        return {"startup_s": None, "ready_after_s": None}
    own = one.startup.total_ns / NS_PER_S
    return {"startup_s": own, "ready_after_s": one.trigger_after_ns / NS_PER_S + own}


def _pss_mib(view: MemoryView | None) -> float | None:
    return mib(sum(view.pss.values())) if view is not None and view.pss else None


def _shares(record: TrialRecord) -> Iterator[Row]:
    of = {one.name: one.service for one in record.instances if one.role == "service"}
    reached = {of.get(name, name) for name in record.served}
    # An instance that got nothing may be missing from the front's own account.
    counts = dict.fromkeys((name for name, service in of.items() if service in reached), 0) | record.served
    for name, count in counts.items():
        service = of.get(name, name)
        alike = {other: n for other, n in counts.items() if of.get(other, other) == service}
        total = sum(alike.values())
        yield {
            "trial": record.trial,
            "variant": record.variant.name,
            "level": record.level,
            "instance": name,
            "service": service,
            "replicas": len(alike),
            "requests": count,
            "share": count / total if total else 0.0,
        }
