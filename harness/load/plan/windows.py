"""When the parts of a run begin and end, on the host's monotonic clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from harness.clock import NS_PER_S
from harness.load.plan.load_plan import LoadPlan

CAPACITY_GAP_NS = 250_000_000
"""Between the last arrival of the open loop and the closed loop, so that the last answers come in first."""


@dataclass(frozen=True, slots=True)
class Windows:
    """``begin``: the first (warm-up) request; the measured window; ``end``: no request is sent after it."""

    begin_ns: int
    window_begin_ns: int
    window_end_ns: int
    end_ns: int
    capacity_begin_ns: int | None = None
    capacity_end_ns: int | None = None

    @classmethod
    def of(cls, plan: LoadPlan, begin_ns: int) -> Self:
        """The windows of ``plan`` when it begins at ``begin_ns``.

        A ramp's end is the latest possible one. So is a replay's, and that of its window, which begins when nobody
        knows: the result has the real ones.
        """
        if plan.mode == "replay":
            end = begin_ns + round(plan.replay_limit_s * NS_PER_S)
            return cls(begin_ns, begin_ns, end, end)
        window_begin = begin_ns + round(plan.warmup_s * NS_PER_S)
        duration = round(plan.duration_s * NS_PER_S)
        window_end = window_begin + duration
        if plan.mode == "closed":
            return cls(begin_ns, window_begin, window_end, window_end, window_begin, window_end)
        if plan.mode == "ramp":
            steps = len(plan.ramp_rps) * (round(plan.ramp_step_s * NS_PER_S) + NS_PER_S)
            return cls(begin_ns, window_begin, window_end, window_end + steps)
        end = window_end + round(plan.tail_s * NS_PER_S)
        if plan.capacity_s == 0:
            return cls(begin_ns, window_begin, window_end, end)
        capacity_begin = end + CAPACITY_GAP_NS
        capacity_end = capacity_begin + round(plan.capacity_s * NS_PER_S)
        return cls(begin_ns, window_begin, window_end, capacity_end, capacity_begin, capacity_end)
