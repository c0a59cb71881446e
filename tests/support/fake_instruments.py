"""Instruments without root, processes or waiting: they really ask the fake service, from this process.

What they report is true in kind and made up in time: the statuses are the service's own, the load's moments are laid
out evenly over the window, so that no stall of the host decides whether a trial is valid.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from harness.clock import NS_PER_S, now_ns
from harness.errors import NotReady
from harness.lab.bridged import Lab, LoopbackLab
from harness.load.plan import ClosedLoop, LoadPlan, OpenLoop, Ramp, Replay, Windows
from harness.load.recorder import SAMPLE_DTYPE, Outcome, Phase
from harness.load.result import LoadResult
from harness.probes.startup import ProbeResult
from harness.probes.transaction import StepDone, TransactionResult
from harness.records.load import Capacity, NullFloor
from harness.runtime.confinement import Confinement
from harness.spec.geography import Geography
from harness.spec.route import Route, Way, route_of
from harness.spec.service import Readiness
from harness.spec.topology import Step
from harness.trial.instrument_factory import FirstTransaction, LoadGenerator, StartupProber

REQUESTS = 8
_LAG_NS = 20_000
_SERVICE_NS = 400_000
_TIMEOUT_S = 10


def ask(ip: str, port: int, path: str) -> tuple[int, bytes] | None:
    """Status and body, or None where nobody answers."""
    connection = http.client.HTTPConnection(ip, port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


class FakeGenerator:
    """Asks ``REQUESTS`` times, one after another. ``meanwhile`` is called with the plan when the load is on."""

    def __init__(self, plan: LoadPlan, meanwhile: Callable[[LoadPlan], None]) -> None:
        self._plan = plan
        self._meanwhile = meanwhile
        self._begin_ns = 0

    def wait_ready(self) -> None:
        """It always is."""

    def prepare(self) -> None:
        """There is nothing to make."""

    def start(self) -> Windows:
        self._begin_ns = now_ns()
        return self._windows()

    def finish(self) -> LoadResult:
        self._meanwhile(self._plan)
        plan, windows = self._plan, self._windows()
        closed = plan.load.capacity if isinstance(plan.load, ClosedLoop) else None
        samples = np.zeros(REQUESTS, dtype=SAMPLE_DTYPE)
        length_ns = windows.window_end_ns - windows.window_begin_ns
        samples["intended_ns"] = windows.window_begin_ns + np.arange(REQUESTS) * length_ns // REQUESTS
        samples["sent_ns"] = samples["intended_ns"] + _LAG_NS
        samples["done_ns"] = samples["sent_ns"] + _SERVICE_NS
        samples["phase"] = Phase.MEASURED if closed is None else Phase.CAPACITY
        place = route_of(plan.tasks.path, plan.targets.routes)
        for sample in samples:
            found = ask(place.ip, place.port, plan.tasks.path)
            status, body = found or (0, b"")
            wrong = Outcome.UNEXPECTED if found else Outcome.ERROR
            sample["outcome"] = Outcome.OK if status == plan.tasks.status else wrong
            sample["status"], sample["bytes"] = status, len(body)
        counts = {outcome: int((samples["outcome"] == outcome).sum()) for outcome in Outcome}
        bad = counts[Outcome.ERROR] + counts[Outcome.UNEXPECTED]
        return LoadResult(
            samples=samples,
            tasks=(f"GET {plan.tasks.path}",),
            windows=windows,
            scheduled=REQUESTS,
            completed=counts[Outcome.OK],
            dropped=0,
            errors=counts[Outcome.ERROR],
            unexpected=counts[Outcome.UNEXPECTED],
            send_lag_p99_ns=_LAG_NS,
            generator_busy=0.1,
            capacity=Capacity(
                users=closed.users if closed else 1, completed=counts[Outcome.OK], errors=bad, window_ns=length_ns
            ),
            problems=(),
        )

    def _windows(self) -> Windows:
        match self._plan.load:
            case OpenLoop(schedule):
                duration_s = schedule.duration_s
            case ClosedLoop(capacity):
                duration_s = capacity.duration_s
            case Ramp() | Replay():
                duration_s = 0.1
        end_ns = self._begin_ns + round(duration_s * NS_PER_S)
        return Windows(self._begin_ns, self._begin_ns, end_ns, end_ns)


class FakeProber:
    """Asks every millisecond, from ``go`` on as the real one does: an answer before the trigger is therefore seen."""

    def __init__(self, ip: str, port: int, ready: Readiness) -> None:
        self._ip, self._port, self._ready = ip, port, ready
        self._found_ns: int | None = None
        self._attempts = 0

    def go(self) -> None:
        self._try()

    def result(self, timeout_s: float, alive: Callable[[], bool]) -> ProbeResult:
        deadline_ns = now_ns() + round(timeout_s * NS_PER_S)
        while self._found_ns is None:
            ended = not alive()
            self._try()
            if self._found_ns is None and (ended or now_ns() > deadline_ns):
                raise NotReady("The fake service gave no correct response.", "Look at its log lines.")
            time.sleep(0.001)
        return ProbeResult(
            listening_ns=self._found_ns,
            first_response_ns=self._found_ns,
            attempts=self._attempts,
            resolution_ns=1_000_000,
            cpu_ns=1000,
            history=(),
        )

    def _try(self) -> None:
        self._attempts += 1
        found = ask(self._ip, self._port, self._ready.path)
        if self._found_ns is None and found is not None and self._ready.accepts(*found):
            self._found_ns = now_ns()


class FakeTransaction:
    """Asks each step's path once more until its status comes."""

    def __init__(self, steps: Sequence[Step], routes: Sequence[Route]) -> None:
        self._steps, self._routes = steps, routes

    def go(self) -> None:
        """It begins when its result is asked for."""

    def result(self, timeout_s: float, alive: Callable[[], bool]) -> TransactionResult:
        done = []
        for step in self._steps:
            route = route_of(step.path, self._routes)
            ready = Readiness(path=step.path, status=step.status)
            found = FakeProber(route.ip, route.port, ready).result(timeout_s, alive)
            done.append(StepDone(f"{step.method} {step.path}", found.first_response_ns, found.attempts))
        return TransactionResult(
            done_ns=done[-1].done_ns,
            steps=tuple(done),
            attempts=sum(each.attempts for each in done),
            cpu_ns=1000,
            listening_ns=done[0].done_ns,
            resolution_ns=1_000_000,
        )


@dataclass
class FakeInstruments:
    """``labs``: the prefixes of all that were made. ``meanwhile`` happens in every load; tests replace it."""

    meanwhile: Callable[[LoadPlan], None] = lambda _plan: None
    labs: list[str] = field(default_factory=list)
    plans: list[LoadPlan] = field(default_factory=list)

    def lab(
        self, prefix: str, geography: Geography | None = None, cpus: frozenset[int] = frozenset()
    ) -> AbstractContextManager[Lab]:
        assert geography is None, cpus
        self.labs.append(prefix)
        return LoopbackLab(prefix)

    def generator(self, plan: LoadPlan, at: Confinement, scratch: Path) -> AbstractContextManager[LoadGenerator]:
        assert (at.netns, bool(at.cpus), scratch.is_dir()) == (None, True, True)
        self.plans.append(plan)
        return nullcontext(FakeGenerator(plan, lambda given: self.meanwhile(given)))

    def prober(
        self, address: tuple[str, int], ready: Readiness, at: Confinement, way: Way, period_ns: int
    ) -> AbstractContextManager[StartupProber]:
        assert (at.netns, bool(at.cpus), way, period_ns > 0) == (None, True, Way(), True)
        return nullcontext(FakeProber(*address, ready))

    def transaction(
        self, steps: Sequence[Step], routes: Sequence[Route], at: Confinement, way: Way
    ) -> AbstractContextManager[FirstTransaction]:
        assert (at.netns, bool(at.cpus), way) == (None, True, Way())
        return nullcontext(FakeTransaction(steps, routes))


def null_floor(rate_rps: float) -> NullFloor:
    """What the null service would show on a good host."""
    return NullFloor(
        rate_rps=rate_rps,
        latency_p50_ms=0.2,
        latency_p99_ms=0.5,
        service_time_p50_ms=0.15,
        send_lag_p99_ms=0.05,
        highest_rate_rps=rate_rps * 10,
    )
