"""One attempt's record and raw requests ▸ its figures, by the names in harness.units. Pure.

A figure that was not measured, or not measured well enough to be printed, is absent; it is never 0 in its place.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.analysis import caching
from harness.analysis.percentiles import percentile
from harness.analysis.validity import ANSWERED
from harness.clock import NS_PER_MS, NS_PER_S
from harness.records.memory import MemoryView
from harness.records.trial import TrialRecord
from harness.records.window import Cpu
from harness.units import mib

LATENCIES = {
    "latency_p50_ms": 0.5,
    "latency_p90_ms": 0.9,
    "latency_p95_ms": 0.95,
    "latency_p99_ms": 0.99,
    "latency_p999_ms": 0.999,
}
PROPAGATIONS = {"propagation_p50_ms": 0.5, "propagation_p99_ms": 0.99}
SERVICE_TIMES = {"service_time_p50_ms": 0.5, "service_time_p99_ms": 0.99}


def metrics_of(record: TrialRecord, samples: pd.DataFrame) -> dict[str, float]:
    """The figures of one attempt. ``samples`` has the columns of harness.store.samples.

    Latency is completion - intended; service time is completion - actual send. Both exist for requests that came with a
    response, expected or not; a dropped arrival and an error have neither, and make the attempt invalid instead (see
    harness.analysis.validity). Percentiles are of the measured window, and only where the samples are enough for an
    order-statistic interval. ``cpu_ms_per_request`` is the control group's CPU time (the processes' where there is no
    group) over the requests answered in the window. Hit ratios and offload: harness.analysis.caching.
    """
    measured = answered(samples)
    # A task's later requests have no place in the schedule: their latency would hide the queue (coordinated omission).
    arrivals = measured[~measured["task"].astype(str).str.contains("#", regex=False)]
    figures: dict[str, float | None] = {}
    if record.startup is not None:
        figures["startup_s"] = record.startup.total_ns / NS_PER_S
    figures |= _memory(record)
    figures |= _percentiles(latency_ms(arrivals), LATENCIES)
    figures |= _percentiles(service_time_ms(measured), SERVICE_TIMES)
    figures |= _rates(record, len(measured))
    figures |= _percentiles(np.asarray(record.propagation_ms, dtype=np.float64), PROPAGATIONS)
    figures |= caching.ratios(measured)
    figures |= caching.at_origin(record, samples)
    if record.footprint.parts:
        figures["footprint_mib"] = mib(record.footprint.total)
    return {name: value for name, value in figures.items() if value is not None}


def answered(samples: pd.DataFrame) -> pd.DataFrame:
    """The requests of the measured window that came with a response."""
    return samples[(samples["phase"] == "measured") & samples["outcome"].isin(ANSWERED)]


def latency_ms(samples: pd.DataFrame) -> NDArray[np.float64]:
    """Completion - intended, in milliseconds."""
    return (samples["done_ns"] - samples["intended_ns"]).to_numpy(dtype=np.float64) / NS_PER_MS


def service_time_ms(samples: pd.DataFrame) -> NDArray[np.float64]:
    """Completion - actual send, in milliseconds."""
    return (samples["done_ns"] - samples["sent_ns"]).to_numpy(dtype=np.float64) / NS_PER_MS


def cpu_ms(cpu: Cpu) -> float:
    """CPU time of the window: the control group's, or the processes' where there is no group."""
    return (cpu.processes_ns if cpu.cgroup_ns is None else cpu.cgroup_ns) / NS_PER_MS


def overhead_bytes(view: MemoryView) -> int | None:
    """PSS that is not the service's own: every role but ``app``, less the guest's RAM that the VMM holds.

    None for a VM whose guest RAM was not told apart: then the VMM's own share is not known.
    """
    other = sum(pss for role, pss in view.pss.items() if role != "app")
    if "vmm" not in view.pss:
        return other
    return None if view.guest_ram_touched is None else max(other - view.guest_ram_touched, 0)


def _memory(record: TrialRecord) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    if (idle := record.memory_idle) is not None:
        found["memory_mib"] = mib(sum(idle.pss.values())) if idle.pss else None
        overhead = overhead_bytes(idle) if idle.pss else None
        found["memory_overhead_mib"] = None if overhead is None else mib(overhead)
    if (load := record.memory_load) is not None:
        found["memory_load_mib"] = mib(sum(load.pss.values())) if load.pss else None
        found["memory_cgroup_mib"] = None if load.cgroup is None else mib(load.cgroup.current)
        if load.guest is not None and "vmm" in load.pss:
            found["memory_inside_mib"] = mib(load.guest.total - load.guest.available)
    return found


def _percentiles(values: NDArray[np.float64], wanted: dict[str, float]) -> dict[str, float | None]:
    return {name: percentile(values, q) for name, q in wanted.items()}


def _rates(record: TrialRecord, answered_requests: int) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    if (load := record.load) is not None and load.window_end_ns > load.window_begin_ns:
        found["achieved_rps"] = load.completed * NS_PER_S / (load.window_end_ns - load.window_begin_ns)
    requests = answered_requests or (record.load.completed if record.load is not None else 0)
    if record.cpu is not None and requests:
        found["cpu_ms_per_request"] = cpu_ms(record.cpu) / requests
    if record.capacity is not None and record.capacity.window_ns > 0:
        found["capacity_rps"] = record.capacity.rps
    return found
