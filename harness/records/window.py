"""What was used, and what disturbed, over a window of time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Cpu:
    """CPU time used by an instance over the measured window, by its control group and by its processes."""

    cgroup_ns: int | None
    processes_ns: int
    window_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """The host's noise over the measured window.

    Shares are of the time of all CPUs, between 0 and 1. ``load1`` is the load average at the window's end.
    """

    steal_share: float
    throttled_periods: int
    swapped_in_pages: int
    load1: float
    other_busy_share: float
    """CPU time used by processes that are neither the instance's nor the instrument's, as a share of all CPUs."""
