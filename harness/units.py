"""Units and the registry of metrics: every metric's name carries its unit, and its meaning stands here once."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024
KIB = 1024


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of a trial.

    ``name`` ends in its unit. ``lower_is_better`` is what a comparison calls worse or better. ``digits`` is how many
    decimals a person is shown.
    """

    name: str
    title: str
    unit: str
    lower_is_better: bool = True
    digits: int = 2

    def text(self, value: float) -> str:
        """The value with its unit, for a person."""
        return f"{value:,.{self.digits}f} {self.unit}"


_METRICS = (
    Metric("startup_s", "Startup to the first correct response", "s", digits=3),
    Metric("memory_mib", "Memory at idle (PSS of every process of the instance)", "MiB", digits=1),
    Metric("memory_load_mib", "Memory under load (PSS of every process of the instance)", "MiB", digits=1),
    Metric("memory_cgroup_mib", "Memory charged to the instance's control group, under load", "MiB", digits=1),
    Metric("memory_overhead_mib", "Memory at idle beside the service's own (shim, VMM, emulator)", "MiB", digits=1),
    Metric("memory_inside_mib", "Memory used as the guest sees it, under load", "MiB", digits=1),
    Metric("cpu_ms_per_request", "CPU time per request", "ms", digits=3),
    Metric("latency_p50_ms", "Latency, median", "ms", digits=3),
    Metric("latency_p90_ms", "Latency, 90th percentile", "ms", digits=3),
    Metric("latency_p95_ms", "Latency, 95th percentile", "ms", digits=3),
    Metric("latency_p99_ms", "Latency, 99th percentile", "ms", digits=3),
    Metric("latency_p999_ms", "Latency, 99.9th percentile", "ms", digits=3),
    Metric("service_time_p50_ms", "Service time, median", "ms", digits=3),
    Metric("service_time_p99_ms", "Service time, 99th percentile", "ms", digits=3),
    Metric("achieved_rps", "Achieved rate", "requests/s", lower_is_better=False, digits=1),
    Metric("capacity_rps", "Capacity (closed loop)", "requests/s", lower_is_better=False, digits=0),
    Metric("footprint_mib", "Footprint on disk", "MiB", digits=1),
    Metric("propagation_p50_ms", "Propagation of an event to its consumer, median", "ms", digits=3),
    Metric("propagation_p99_ms", "Propagation of an event to its consumer, 99th percentile", "ms", digits=3),
    Metric("hit_ratio", "Hit ratio by requests", "of requests", lower_is_better=False, digits=4),
    Metric("byte_hit_ratio", "Hit ratio by bytes", "of bytes", lower_is_better=False, digits=4),
    Metric(
        "offload", "Offload (requests that did not reach the origin)", "of requests", lower_is_better=False, digits=4
    ),
    Metric("origin_requests", "Requests that reached the origin, over all of the load", "requests", digits=0),
)

DOWN = Metric("down_s", "From the act to the first correct response after it", "s", digits=3)
"""Of an event, not of a trial: it stands in the frame ``events`` alone."""

METRICS: dict[str, Metric] = {metric.name: metric for metric in _METRICS}


def metric(name: str) -> Metric:
    """The registered metric of that name. Raises KeyError for a name that is not registered."""
    return METRICS[name]


def mib(byte_count: float) -> float:
    """Bytes as MiB."""
    return byte_count / MIB
