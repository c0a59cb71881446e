"""A replay: a sequence's requests in order, each as soon as its turn comes."""

from __future__ import annotations

from collections.abc import Callable

import gevent
from gevent.event import Event

from harness.clock import NS_PER_S, now_ns
from harness.errors import LoadError
from harness.load.plan.arrivals import region_stream
from harness.load.plan.load_plan import LoadPlan
from harness.load.recorder import Phase, Recorder
from harness.load.worker.object_sequence import Wants
from harness.load.worker.worker_pool import Job


class Replay:
    """Gives the jobs of a replay: ``task`` once for each object of ``wants``.

    With the plan's ``miss_bytes_per_s`` a job waits for what the misses that ``recorder`` has seen cost at that rate.
    """

    def __init__(self, plan: LoadPlan, task: int, wants: Wants, recorder: Recorder) -> None:
        self._plan = plan
        self._task = task
        self._wants = wants
        self._recorder = recorder
        self._paid_bytes = 0
        self._free_ns = 0
        self._begun = 0
        self._ended = Event()
        self._regions = region_stream([region.weight for region in plan.regions], plan.seed)
        self.when_counting: Callable[[], None] = lambda: None
        """Called when the first request that counts is about to be made."""

    def next_job(self) -> Job | None:
        """The next request's; None at the end, and when there is no next object."""
        self._pace()
        number, plan = self._begun, self._plan
        if number == plan.replay_requests or self._wants.failure is not None:
            self._ended.set()
            return None
        if number == plan.replay_warmup:
            self.when_counting()
        self._begun += 1
        phase = Phase.WARMUP if number < plan.replay_warmup else Phase.MEASURED
        return Job(self._task, None, phase, next(self._regions))

    def _pace(self) -> None:
        """Return when the misses so far are paid for. Time without misses is not saved up for later ones."""
        rate = self._plan.miss_bytes_per_s
        if not rate:
            return
        now, missed = now_ns(), self._recorder.missed_bytes
        self._free_ns = max(self._free_ns, now) + round((missed - self._paid_bytes) / rate * NS_PER_S)
        self._paid_bytes = missed
        if self._free_ns > now:
            gevent.sleep((self._free_ns - now) / NS_PER_S)

    def wait(self) -> None:
        """Until the last request has been begun. Raises LoadError for a replay that takes too long."""
        limit_s = self._plan.replay_limit_s
        if not self._ended.wait(limit_s):
            raise LoadError(
                f"the replay had made {self._begun} of {self._plan.replay_requests} requests when its {limit_s:.0f} s "
                "were over",
                "look at the service's log lines, or replay fewer requests",
            )

    def check(self) -> None:
        """Raise LoadError, or what kept the sequence from going on, unless every request asked for the next object."""
        if self._wants.failure is not None:
            raise self._wants.failure
        if self._wants.taken != self._begun:
            raise LoadError(
                f"{self._begun} requests of the replay asked for {self._wants.taken} objects of the sequence",
                "let the locustfile's object task call self.wanted() once, before its request",
            )
