"""What each instance of a deployment was measured at, and what it served. Columns: harness.analysis.campaign."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import pandas as pd

from harness.analysis.frames import Row, frame_of
from harness.analysis.metrics import answered, cpu_ms
from harness.clock import NS_PER_S
from harness.records.instance import InstanceRecord
from harness.records.memory import MemoryView
from harness.records.trial import TrialRecord
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
    """A row per instance that the proxy of these attempts passed requests on to.

    ``share`` is of its service's requests, ``replicas`` how many there were to share them when it was deployed. A
    replica that served nothing has its row, with 0. The proxy's account ends before the first event.
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
    known = {one.name: one.service for one in record.instances if one.role == "service"}
    of = {name: _service_of(name, known) for name in record.served}
    for service in dict.fromkeys(of.values()):
        counts = {name: count for name, count in record.served.items() if of[name] == service}
        # One that got nothing is missing from the proxy's own account.
        names = (service, *(f"{service}-{n}" for n in range(2, record.variant.replicas + 1)))
        for name in names:
            if len(counts) < record.variant.replicas:
                counts.setdefault(name, 0)
        total = sum(counts.values())
        for name in sorted(counts, key=lambda name: (len(name), name)):
            yield {
                "trial": record.trial,
                "variant": record.variant.name,
                "level": record.level,
                "instance": name,
                "service": service,
                "replicas": record.variant.replicas,
                "requests": counts[name],
                "share": counts[name] / total if total else 0.0,
            }


def _service_of(name: str, known: Mapping[str, str]) -> str:
    """Whose replica it is; an orchestrator's have no instances of their own, and are numbered after their service's."""
    base, _, number = name.rpartition("-")
    return known.get(name) or (known.get(base, name) if number.isdigit() else name)
