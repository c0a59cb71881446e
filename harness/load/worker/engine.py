"""One run of a load plan, inside Locust's process: open loop, closed loop, a ramp of rates, or a replay."""

from __future__ import annotations

import gc
import itertools
import time
from dataclasses import dataclass

import gevent
import numpy as np
from numpy.typing import NDArray

from harness.clock import NS_PER_S, now_ns
from harness.load.plan.arrivals import intended_offsets_ns, region_choices, region_stream, task_choices
from harness.load.plan.load_plan import LoadPlan
from harness.load.plan.windows import Windows
from harness.load.recorder import Outcome, Phase, Recorder
from harness.load.worker.pacing import Pacer
from harness.load.worker.replay import Replay
from harness.load.worker.worker_pool import Crew, Job

_CLOSED_CHOICES = 1 << 16
_STEP_GAP_NS = 200_000_000
_STEP_LATE_NS = 250_000_000
"""A ramp's step that is so far behind its schedule has failed: the rest of it counts as dropped."""


Arrival = tuple[int, int, int, int]
"""Nanoseconds from the run's (or the step's) begin, the task's number, the phase, the region's number."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The process's own use of its core, up to a moment."""

    at_ns: int
    cpu_ns: int
    waited_ns: int

    def busy_until(self, later: Reading) -> float:
        """The share of the time between the two readings spent on work: CPU time less active waiting."""
        work = (later.cpu_ns - self.cpu_ns) - (later.waited_ns - self.waited_ns)
        return max(0.0, work / max(1, later.at_ns - self.at_ns))


class Engine:
    """Runs ``plan`` with a complete crew. ``facts`` is what the sidecar tells, at any time."""

    def __init__(self, plan: LoadPlan, crew: Crew, pacer: Pacer, recorder: Recorder, weights: list[float]) -> None:
        self._plan = plan
        self._crew = crew
        self._pacer = pacer
        self._recorder = recorder
        self._weights = weights
        self._region_weights = [region.weight for region in plan.regions]
        # Drawn before anybody says that the generator is ready: nothing is computed once the load runs.
        scheduled = plan.mode in {"open", "ramp"}
        self._schedule = self._draw(plan.rate_rps, plan.open_s, plan.seed) if scheduled else []
        self._readings: list[Reading] = []
        self.facts: dict[str, object] = {"interrupted": True, "gc": "frozen and disabled while the load runs"}

    @property
    def arrivals(self) -> int:
        """How many arrivals the schedule has."""
        return len(self._schedule)

    def run(self, begin_ns: int, replay: Replay | None = None) -> None:
        """Run the plan from ``begin_ns`` on and wait for the last answers. Garbage collection is off meanwhile.

        A plan of mode ``replay`` needs ``replay``. Raises LoadError for one that does not come to its end.
        """
        gc.collect()
        gc.freeze()
        gc.disable()
        try:
            self._run(begin_ns, replay)
        finally:
            gc.enable()
            gc.unfreeze()
        if len(self._readings) == 2:
            self.facts["generator_busy"] = self._readings[0].busy_until(self._readings[1])
        self.facts |= {"interrupted": False, "problems": self._crew.problems}

    def _run(self, begin_ns: int, replay: Replay | None) -> None:
        windows = Windows.of(self._plan, begin_ns)
        self._crew.open_connections(max(0.001, (begin_ns - now_ns()) / NS_PER_S))
        timed = self._plan.mode in {"open", "closed"}
        for moment in (windows.window_begin_ns, windows.window_end_ns) if timed else ():
            gevent.spawn_later(max(0.0, (moment - now_ns()) / NS_PER_S), self._read_usage)
        if self._plan.mode == "closed":
            self._closed(windows.begin_ns, windows.window_begin_ns, windows.window_end_ns)
        elif self._plan.mode == "ramp":
            self._ramp(begin_ns)
        elif replay is not None:
            self._replay(begin_ns, replay)
        else:
            self._open(windows)
        self._drain(now_ns() + round((self._plan.timeout_s + 1) * NS_PER_S))
        for job in self._crew.abandon():
            self._drop(job)

    def _draw(self, rate_rps: float, duration_s: float, seed: int) -> list[Arrival]:
        offsets = intended_offsets_ns(rate_rps, duration_s, self._plan.arrivals, seed)
        return self._arrivals(offsets, self._phases(offsets), seed)

    def _arrivals(self, offsets: NDArray[np.int64], phases: NDArray[np.int64], seed: int) -> list[Arrival]:
        choices = task_choices(len(offsets), self._weights, seed)
        regions = region_choices(len(offsets), self._region_weights, seed)
        return list(zip(offsets.tolist(), choices.tolist(), phases.tolist(), regions.tolist(), strict=True))

    def _phases(self, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Warm-up, measured or tail, by the offset from the run's begin."""
        windows = Windows.of(self._plan, 0)
        edges = [windows.window_begin_ns, windows.window_end_ns]
        phases = np.array([Phase.WARMUP, Phase.MEASURED, Phase.TAIL], dtype=np.int64)
        return phases[np.searchsorted(edges, offsets, side="right")]

    def _open(self, windows: Windows) -> None:
        self.facts["scheduled"] = sum(phase == Phase.MEASURED for _, _, phase, _ in self._schedule)
        self._follow(windows.begin_ns, self._schedule)
        if windows.capacity_begin_ns is not None and windows.capacity_end_ns is not None:
            self._drain(windows.capacity_begin_ns)
            begin_ns = max(now_ns(), windows.capacity_begin_ns)
            end_ns = begin_ns + windows.capacity_end_ns - windows.capacity_begin_ns
            self._closed(begin_ns, begin_ns, end_ns)

    def _follow(self, begin_ns: int, schedule: list[Arrival], late_ns: int | None = None) -> None:
        """Send each arrival at its intended time. With ``late_ns``, give up the rest once that far behind."""
        pacer, crew = self._pacer, self._crew
        for position, (offset, task, phase, region) in enumerate(schedule):
            intended_ns = begin_ns + offset
            job = Job(task, intended_ns, phase, region)
            pacer.wait_until(intended_ns)
            if late_ns is not None and now_ns() - intended_ns > late_ns:
                for lost_offset, *lost in schedule[position:]:
                    self._drop(Job(lost[0], begin_ns + lost_offset, *lost[1:]))
                break
            if not crew.dispatch(job):
                self._drop(job)
                pacer.turn()
        pacer.rest()

    def _drop(self, job: Job) -> None:
        at_ns = now_ns()
        task = self._recorder.task(self._crew.names[job.task])
        intended_ns = job.intended_ns or at_ns
        self._recorder.add(intended_ns, at_ns, at_ns, job.phase, Outcome.DROPPED, 0, task, 0, job.region)

    def _closed(self, begin_ns: int, counted_ns: int, end_ns: int) -> None:
        choices = itertools.cycle(task_choices(_CLOSED_CHOICES, self._weights, self._plan.seed).tolist())
        regions = region_stream(self._region_weights, self._plan.seed)

        def next_job() -> Job | None:
            at_ns = now_ns()
            if at_ns >= end_ns:
                return None
            phase = Phase.CAPACITY if at_ns >= counted_ns else Phase.WARMUP
            return Job(next(choices), None, phase, next(regions))

        self._wait(begin_ns)
        users = min(self._plan.closed_users, self._crew.idle())
        self._crew.closed_loop(users, next_job)
        self._wait(end_ns)
        self.facts["capacity"] = {"users": users, "begin_ns": counted_ns, "end_ns": end_ns}

    def _replay(self, begin_ns: int, replay: Replay) -> None:
        replay.when_counting = self._read_usage
        self._wait(begin_ns)
        self._crew.closed_loop(self._plan.replay_users, replay.next_job)
        replay.wait()
        self._drain(now_ns() + round((self._plan.timeout_s + 1) * NS_PER_S))
        self._read_usage()
        replay.check()
        samples = self._recorder.samples()
        counted = samples[samples["phase"] == Phase.MEASURED]
        self.facts["replay"] = {
            "window_begin_ns": int(counted["sent_ns"].min()),
            "window_end_ns": int(counted["done_ns"].max()),
        }

    def _ramp(self, begin_ns: int) -> None:
        steps: list[dict[str, float]] = []
        self.facts["steps"] = steps
        first = self._step(begin_ns, self._schedule)
        steps.append({"rate_rps": self._plan.rate_rps, **first})
        for number, rate in enumerate(self._plan.ramp_rps, start=1):
            if len(steps) > 1 and not steps[-1]["kept"] and not steps[-2]["kept"]:
                break
            seed = self._plan.seed + number
            offsets = intended_offsets_ns(rate, self._plan.ramp_step_s, self._plan.arrivals, seed)
            schedule = self._arrivals(offsets, np.full(len(offsets), Phase.MEASURED, np.int64), seed)
            steps.append({"rate_rps": rate, **self._step(now_ns() + _STEP_GAP_NS, schedule)})

    def _step(self, begin_ns: int, schedule: list[Arrival]) -> dict[str, float]:
        """One step of a ramp. ``first`` and ``count`` are its samples' place in the file (its warm-up included)."""
        first, before = len(self._recorder), self._usage()
        self._follow(begin_ns, schedule, _STEP_LATE_NS)
        busy = before.busy_until(self._usage())
        self._drain(now_ns() + round(self._plan.timeout_s * NS_PER_S))
        samples = self._recorder.samples()[first:]
        samples = samples[samples["phase"] == Phase.MEASURED]
        lag = float(np.percentile(samples["sent_ns"] - samples["intended_ns"], 99)) if len(samples) else 0.0
        dropped = int((samples["outcome"] == Outcome.DROPPED).sum())
        kept = lag <= self._plan.ramp_max_lag_ns and dropped == 0
        place = {"first": first, "count": len(self._recorder) - first}
        return place | {"kept": kept, "lag_p99_ns": lag, "dropped": dropped, "busy": busy}

    def _drain(self, deadline_ns: int) -> None:
        """Wait until every worker is idle, or the deadline has come."""
        while self._crew.idle() < len(self._crew.workers) and now_ns() < deadline_ns:
            gevent.sleep(0.002)

    @staticmethod
    def _wait(moment_ns: int) -> None:
        gevent.sleep(max(0.0, (moment_ns - now_ns()) / NS_PER_S))

    def _usage(self) -> Reading:
        return Reading(now_ns(), time.process_time_ns(), self._pacer.waited_ns)

    def _read_usage(self) -> None:
        self._readings.append(self._usage())
