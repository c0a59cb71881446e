"""Stamps that two processes may compare: CLOCK_MONOTONIC, with the name of the kernel that it belongs to."""

from __future__ import annotations

import time
from pathlib import Path

KERNEL = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
"""The running kernel's boot: the same in every process and container of a host, another one in every guest."""


def now_ns() -> int:
    """Nanoseconds of this kernel's CLOCK_MONOTONIC."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)
