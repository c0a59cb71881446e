"""Typed frames of a campaign's raw content. The columns are listed in harness.analysis.campaign."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import pandas as pd

from harness.analysis import caching
from harness.analysis.metrics import answered, latency_ms, service_time_ms
from harness.clock import NS_PER_S
from harness.records.memory import MemoryView
from harness.records.trial import TrialRecord
from harness.units import METRICS, mib

_TEXT = ("variant", "workload", "topology", "target", "proxy", "accelerator", "level", "outcome")
TRIAL_COLUMNS: dict[str, str] = {
    "trial": "str",
    "kind": "str",
    "block": "int64",
    "position": "int64",
    "attempt": "int64",
    **dict.fromkeys(_TEXT, "str"),
    "replicas": "int64",
    "cache_share": "float64",
    "valid": "bool",
    "reasons": "object",
    "counts": "bool",
    **dict.fromkeys(METRICS, "float64"),
}
SAMPLE_COLUMNS = {
    "trial": "str",
    "variant": "str",
    "level": "str",
    "task": "str",
    "status": "int64",
    "outcome": "str",
    "bytes": "int64",
    "region": "str",
    "cache": "str",
    "since_begin_s": "float64",
    "latency_ms": "float64",
    "service_time_ms": "float64",
}
PHASE_COLUMNS = {
    "trial": "str",
    "variant": "str",
    "phase": "str",
    "begin_s": "float64",
    "end_s": "float64",
    "duration_s": "float64",
}
MEMORY_COLUMNS = {"trial": "str", "variant": "str", "moment": "str", "view": "str", "part": "str", "mib": "float64"}

Row = dict[str, object]


def frame_of(rows: Iterable[Row], columns: dict[str, str]) -> pd.DataFrame:
    """A frame with exactly these columns and types, also when there are no rows."""
    frame = pd.DataFrame(list(rows), columns=list(columns))
    return frame.astype(columns)


def trials(
    records: Sequence[TrialRecord],
    reasons: Sequence[tuple[str, ...]],
    counts: Sequence[bool],
    figures: Sequence[dict[str, float]],
) -> pd.DataFrame:
    """One row per attempt, in journal order."""
    rows: list[Row] = []
    for record, why_not, counted, values in zip(records, reasons, counts, figures, strict=True):
        rows.append(
            {
                "trial": record.trial,
                "kind": record.kind,
                "block": record.block,
                "position": record.position,
                "attempt": record.attempt,
                "variant": record.variant.name,
                "workload": record.variant.workload,
                "topology": record.variant.topology,
                "target": record.variant.target,
                "proxy": record.variant.proxy,
                "accelerator": accelerator_of(record),
                "level": record.level,
                "outcome": record.outcome,
                "replicas": record.variant.replicas,
                "cache_share": record.variant.cache_share,
                "valid": record.outcome == "ok" and not why_not,
                "reasons": why_not,
                "counts": counted,
                **values,
            }
        )
    return frame_of(rows, TRIAL_COLUMNS)


def accelerator_of(record: TrialRecord) -> str:
    """What executed guests' instructions: ``tcg`` if any instance was emulated, else ``kvm`` if any, else ``none``."""
    found = {record.accelerator, *(one.accelerator for one in record.instances)}
    return next((name for name in ("tcg", "kvm") if name in found), "none")


def samples(records: Iterable[TrialRecord], read: Callable[[TrialRecord], pd.DataFrame]) -> pd.DataFrame:
    """The requests of these attempts' measured windows that came with a response, one below the other."""
    parts = []
    for record in records:
        raw = answered(read(record))
        if raw.empty:
            continue
        begin_ns = _window_begin_ns(record, raw)
        part = pd.DataFrame(
            {
                "trial": record.trial,
                "variant": record.variant.name,
                "level": record.level,
                "task": raw["task"].astype(str),
                "status": raw["status"],
                "outcome": raw["outcome"].astype(str),
                "bytes": raw["bytes"],
                "region": caching.regions_of(raw),
                "cache": caching.words_of(raw),
                "since_begin_s": (raw["intended_ns"] - begin_ns) / NS_PER_S,
                "latency_ms": latency_ms(raw),
                "service_time_ms": service_time_ms(raw),
            }
        )
        parts.append(part.astype(SAMPLE_COLUMNS))
    if not parts:
        return frame_of([], SAMPLE_COLUMNS)
    return pd.concat(parts, ignore_index=True)


def _window_begin_ns(record: TrialRecord, raw: pd.DataFrame) -> int:
    if record.load is not None:
        return record.load.window_begin_ns
    return record.replay.window_begin_ns if record.replay is not None else int(raw["intended_ns"].min())


def phases(records: Iterable[TrialRecord]) -> pd.DataFrame:
    """The startup of these attempts in consecutive phases, each named for what ends it; they add up to the startup."""
    return frame_of((row for record in records for row in _phases(record)), PHASE_COLUMNS)


def memory(records: Iterable[TrialRecord]) -> pd.DataFrame:
    """The memory ledger of these attempts, a row per part."""
    rows: list[Row] = []
    for record in records:
        for moment, view in (("idle", record.memory_idle), ("load", record.memory_load)):
            if view is None:
                continue
            head = {"trial": record.trial, "variant": record.variant.name, "moment": moment}
            rows += [{**head, "view": name, "part": part, "mib": mib(size)} for name, part, size in _parts(view)]
    return frame_of(rows, MEMORY_COLUMNS)


def _phases(record: TrialRecord) -> Iterator[Row]:
    if record.startup is None:
        return
    begin_ns, total_ns = 0, record.startup.total_ns
    stamps = sorted(((phase.after_ns, phase.name) for phase in record.startup.phases), key=lambda stamp: stamp[0])
    # A stamp can arrive after the first response (an engine's call that returns late): it ends no part of the startup.
    inside = [(after, name) for after, name in stamps if after <= total_ns]
    if not inside or inside[-1][0] < total_ns:
        inside.append((total_ns, "first_response"))
    for end_ns, name in inside:
        yield {
            "trial": record.trial,
            "variant": record.variant.name,
            "phase": name,
            "begin_s": begin_ns / NS_PER_S,
            "end_s": end_ns / NS_PER_S,
            "duration_s": (end_ns - begin_ns) / NS_PER_S,
        }
        begin_ns = end_ns


def _parts(view: MemoryView) -> Iterator[tuple[str, str, int]]:
    for role, size in view.pss.items():
        if role != "vmm":
            yield "pss", role, size
            continue
        known = {"guest_ram": view.guest_ram_touched, "emulator_cache": view.emulator_cache}
        told_apart = {part: size for part, size in known.items() if size is not None}
        yield from (("pss", part, part_size) for part, part_size in told_apart.items())
        yield "pss", "vmm", max(size - sum(told_apart.values()), 0)
    if (group := view.cgroup) is not None:
        for part in ("anon", "file", "kernel", "page_tables"):
            yield "cgroup", part, getattr(group, part)
        yield "cgroup_total", "current", group.current
        if group.peak is not None:
            yield "cgroup_total", "peak", group.peak
    yield from (("engine", daemon, size) for daemon, size in view.engine_growth.items())
    if "vmm" in view.pss and view.guest is not None:
        yield "inside", "used", view.guest.total - view.guest.available
        yield "inside", "available", view.guest.available
