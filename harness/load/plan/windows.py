"""When the parts of a run begin and end, on the host's monotonic clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from harness.clock import NS_PER_S
from harness.load.plan.load_plan import LoadPlan
from harness.load.plan.loads import ClosedLoop, OpenLoop, Ramp, Replay

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
        match plan.load:
            case OpenLoop() as load:
                return cls._open(load, begin_ns)
            case ClosedLoop(capacity, warmup_s):
                window_begin = begin_ns + _ns(warmup_s)
                end = window_begin + _ns(capacity.duration_s)
                return cls(begin_ns, window_begin, end, end, window_begin, end)
            case Ramp(first) as load:
                window_begin = begin_ns + _ns(first.warmup_s)
                window_end = window_begin + _ns(first.duration_s)
                steps = len(load.rates_rps) * (_ns(load.step_s) + NS_PER_S)
                return cls(begin_ns, window_begin, window_end, window_end + steps)
            case Replay() as load:
                end = begin_ns + _ns(load.limit_s(far=bool(plan.targets.regions)))
                return cls(begin_ns, begin_ns, end, end)

    @classmethod
    def _open(cls, load: OpenLoop, begin_ns: int) -> Self:
        window_begin = begin_ns + _ns(load.schedule.warmup_s)
        window_end = window_begin + _ns(load.schedule.duration_s)
        end = window_end + _ns(load.tail_s)
        if load.capacity is None:
            return cls(begin_ns, window_begin, window_end, end)
        capacity_begin = end + CAPACITY_GAP_NS
        capacity_end = capacity_begin + _ns(load.capacity.duration_s)
        return cls(begin_ns, window_begin, window_end, capacity_end, capacity_begin, capacity_end)


def _ns(seconds: float) -> int:
    return round(seconds * NS_PER_S)
