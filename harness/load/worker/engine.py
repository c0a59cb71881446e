"""One run of a load plan, inside Locust's process: open loop, closed loop, a ramp of rates, or a replay."""

from __future__ import annotations

import gc
import itertools

import gevent
import numpy as np
from numpy.typing import NDArray

from harness.clock import NS_PER_S, now_ns
from harness.load.plan.arrivals import intended_offsets_ns, region_choices, region_stream, task_choices
from harness.load.plan.load_plan import LoadPlan
from harness.load.plan.loads import ClosedLoop, OpenLoop, Ramp, Replay, Schedule
from harness.load.plan.windows import Windows
from harness.load.recorder import Outcome, Phase, Recorder, Sample
from harness.load.worker.pacing import Pacer
from harness.load.worker.replay import ReplayRuns
from harness.load.worker.usage import CoreUsage
from harness.load.worker.worker_pool import TaskRun, WorkerPool

_CLOSED_CHOICES = 1 << 16
_STEP_GAP_NS = 200_000_000
_STEP_LATE_NS = 250_000_000
"""A ramp's step that is so far behind its schedule has failed: the rest of it counts as dropped."""


Arrival = tuple[int, int, int, int]
"""Nanoseconds from the run's (or the step's) begin, the task's number, the phase, the region's number."""


class Engine:
    """Runs ``plan`` with a complete pool. ``facts`` is what the sidecar tells, at any time."""

    def __init__(
        self, plan: LoadPlan, pool: WorkerPool, pacer: Pacer, recorder: Recorder, weights: list[float]
    ) -> None:
        self._plan = plan
        self._pool = pool
        self._pacer = pacer
        self._recorder = recorder
        self._weights = weights
        self._region_weights = plan.targets.region_weights
        # Drawn before anybody says that the generator is ready: nothing is computed once the load runs.
        self._schedule = self._drawn_ahead()
        self._readings: list[CoreUsage] = []
        self.facts: dict[str, object] = {"interrupted": True, "gc": "frozen and disabled while the load runs"}

    @property
    def arrivals(self) -> int:
        """How many arrivals the schedule has."""
        return len(self._schedule)

    def run(self, begin_ns: int, replay: ReplayRuns | None = None) -> None:
        """Run the plan from ``begin_ns`` on and wait for the last answers. Garbage collection is off meanwhile.

        A replay needs ``replay``, made from its load. Raises LoadError for one that does not come to its end.
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
        self.facts |= {"interrupted": False, "problems": self._pool.problems}

    def _run(self, begin_ns: int, replay: ReplayRuns | None) -> None:
        windows = Windows.of(self._plan, begin_ns)
        self._pool.open_connections(max(0.001, (begin_ns - now_ns()) / NS_PER_S))
        match self._plan.load:
            case OpenLoop() as load:
                self._read_usage_at(windows)
                self._open(load, windows)
            case ClosedLoop() as load:
                self._read_usage_at(windows)
                self._closed(load.capacity.users, windows.begin_ns, windows.window_begin_ns, windows.window_end_ns)
            case Ramp() as load:
                self._ramp(load, begin_ns)
            case Replay() as load:
                if replay is None:
                    raise ValueError("a replay needs its task runs")
                self._replay(load, windows, replay)
        self._drain(now_ns() + round((self._plan.timeout_s + 1) * NS_PER_S))
        for run in self._pool.abandon():
            self._drop(run)

    def _drawn_ahead(self) -> list[Arrival]:
        match self._plan.load:
            case OpenLoop() as load:
                return self._draw(load.schedule, load.scheduled_s)
            case Ramp(first):
                return self._draw(first, first.warmup_s + first.duration_s)
            case ClosedLoop() | Replay():
                return []

    def _draw(self, schedule: Schedule, length_s: float) -> list[Arrival]:
        offsets = intended_offsets_ns(schedule.rate_rps, length_s, schedule.arrivals, self._plan.seed)
        return self._arrivals(offsets, self._phases(offsets), self._plan.seed)

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

    def _open(self, load: OpenLoop, windows: Windows) -> None:
        self.facts["scheduled"] = sum(phase == Phase.MEASURED for _, _, phase, _ in self._schedule)
        self._follow(windows.begin_ns, self._schedule)
        if load.capacity and windows.capacity_begin_ns is not None and windows.capacity_end_ns is not None:
            self._drain(windows.capacity_begin_ns)
            begin_ns = max(now_ns(), windows.capacity_begin_ns)
            end_ns = begin_ns + windows.capacity_end_ns - windows.capacity_begin_ns
            self._closed(load.capacity.users, begin_ns, begin_ns, end_ns)

    def _follow(self, begin_ns: int, schedule: list[Arrival], late_ns: int | None = None) -> None:
        """Send each arrival at its intended time. With ``late_ns``, give up the rest once that far behind."""
        pacer, pool = self._pacer, self._pool
        for position, (offset, task, phase, region) in enumerate(schedule):
            intended_ns = begin_ns + offset
            run = TaskRun(task, intended_ns, phase, region)
            pacer.wait_until(intended_ns)
            if late_ns is not None and now_ns() - intended_ns > late_ns:
                for lost_offset, *lost in schedule[position:]:
                    self._drop(TaskRun(lost[0], begin_ns + lost_offset, *lost[1:]))
                break
            if not pool.dispatch(run):
                self._drop(run)
                pacer.turn()
        pacer.rest()

    def _drop(self, run: TaskRun) -> None:
        at_ns = now_ns()
        task = self._recorder.task(self._pool.names[run.task])
        intended_ns = run.intended_ns or at_ns
        self._recorder.add(Sample(intended_ns, at_ns, at_ns, run.phase, Outcome.DROPPED, 0, task, 0, run.region))

    def _closed(self, users: int, begin_ns: int, counted_ns: int, end_ns: int) -> None:
        choices = itertools.cycle(task_choices(_CLOSED_CHOICES, self._weights, self._plan.seed).tolist())
        regions = region_stream(self._region_weights, self._plan.seed)

        def next_run() -> TaskRun | None:
            at_ns = now_ns()
            if at_ns >= end_ns:
                return None
            phase = Phase.CAPACITY if at_ns >= counted_ns else Phase.WARMUP
            return TaskRun(next(choices), None, phase, next(regions))

        self._wait(begin_ns)
        users = min(users, self._pool.idle())
        self._pool.closed_loop(users, next_run)
        self._wait(end_ns)
        self.facts["capacity"] = {"users": users, "begin_ns": counted_ns, "end_ns": end_ns}

    def _replay(self, load: Replay, windows: Windows, replay: ReplayRuns) -> None:
        replay.when_counting = self._read_usage
        self._wait(windows.begin_ns)
        self._pool.closed_loop(load.users, replay.next_run)
        replay.wait((windows.end_ns - windows.begin_ns) / NS_PER_S)
        self._drain(now_ns() + round((self._plan.timeout_s + 1) * NS_PER_S))
        self._read_usage()
        replay.check()
        samples = self._recorder.samples()
        counted = samples[samples["phase"] == Phase.MEASURED]
        self.facts["replay"] = {
            "window_begin_ns": int(counted["sent_ns"].min()),
            "window_end_ns": int(counted["done_ns"].max()),
        }

    def _ramp(self, load: Ramp, begin_ns: int) -> None:
        steps: list[dict[str, float]] = []
        self.facts["steps"] = steps
        first = self._step(begin_ns, self._schedule, load.max_lag_ns)
        steps.append({"rate_rps": load.first.rate_rps, **first})
        for number, rate in enumerate(load.rates_rps, start=1):
            if len(steps) > 1 and not steps[-1]["kept"] and not steps[-2]["kept"]:
                break
            seed = self._plan.seed + number
            offsets = intended_offsets_ns(rate, load.step_s, load.first.arrivals, seed)
            schedule = self._arrivals(offsets, np.full(len(offsets), Phase.MEASURED, np.int64), seed)
            steps.append({"rate_rps": rate, **self._step(now_ns() + _STEP_GAP_NS, schedule, load.max_lag_ns)})

    def _step(self, begin_ns: int, schedule: list[Arrival], max_lag_ns: int) -> dict[str, float]:
        """One step of a ramp. ``first`` and ``count`` are its samples' place in the file (its warm-up included)."""
        first, before = len(self._recorder), self._usage()
        self._follow(begin_ns, schedule, _STEP_LATE_NS)
        busy = before.busy_until(self._usage())
        self._drain(now_ns() + round(self._plan.timeout_s * NS_PER_S))
        samples = self._recorder.samples()[first:]
        samples = samples[samples["phase"] == Phase.MEASURED]
        lag = float(np.percentile(samples["sent_ns"] - samples["intended_ns"], 99)) if len(samples) else 0.0
        dropped = int((samples["outcome"] == Outcome.DROPPED).sum())
        kept = lag <= max_lag_ns and dropped == 0
        place = {"first": first, "count": len(self._recorder) - first}
        return place | {"kept": kept, "lag_p99_ns": lag, "dropped": dropped, "busy": busy}

    def _drain(self, deadline_ns: int) -> None:
        """Wait until every worker is idle, or the deadline has come."""
        while self._pool.idle() < len(self._pool.workers) and now_ns() < deadline_ns:
            gevent.sleep(0.002)

    @staticmethod
    def _wait(moment_ns: int) -> None:
        gevent.sleep(max(0.0, (moment_ns - now_ns()) / NS_PER_S))

    def _usage(self) -> CoreUsage:
        return CoreUsage.now(self._pacer.waited_ns)

    def _read_usage_at(self, windows: Windows) -> None:
        """Read it at both ends of the measured window."""
        for moment in (windows.window_begin_ns, windows.window_end_ns):
            gevent.spawn_later(max(0.0, (moment - now_ns()) / NS_PER_S), self._read_usage)

    def _read_usage(self) -> None:
        self._readings.append(self._usage())
