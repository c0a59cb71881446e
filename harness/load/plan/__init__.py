"""What one run of the generator does, as plain data: where requests go, when each is sent, what it asks for."""

from __future__ import annotations

from harness.load.plan.load_plan import LoadPlan, TaskSource
from harness.load.plan.loads import CapacityPhase, ClosedLoop, Load, OpenLoop, Pool, Ramp, Replay, Schedule
from harness.load.plan.sequence import Prefill, SequencePlan
from harness.load.plan.targets import RegionPlan, Targets
from harness.load.plan.windows import Windows

__all__ = [
    "CapacityPhase",
    "ClosedLoop",
    "Load",
    "LoadPlan",
    "OpenLoop",
    "Pool",
    "Prefill",
    "Ramp",
    "RegionPlan",
    "Replay",
    "Schedule",
    "SequencePlan",
    "Targets",
    "TaskSource",
    "Windows",
]
