"""A replay under way: a sequence's requests in order, each as soon as its turn comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import gevent
from gevent.event import Event

from harness.clock import NS_PER_S, now_ns
from harness.errors import LoadError
from harness.load.plan.loads import Replay
from harness.load.recorder import Phase, Recorder
from harness.load.worker.object_sequence import ObjectStream
from harness.load.worker.worker_pool import TaskRun


class ReplayRuns:
    """Gives the task runs of a replay: ``task`` once for each object of ``objects``.

    ``regions``: the number of each client's region. With the load's ``miss_bytes_per_s`` a run waits for what the
    misses that ``recorder`` has seen cost at that rate.
    """

    def __init__(
        self, load: Replay, task: int, objects: ObjectStream, recorder: Recorder, regions: Iterator[int]
    ) -> None:
        self._load = load
        self._task = task
        self._objects = objects
        self._recorder = recorder
        self._paid_bytes = 0
        self._free_ns = 0
        self._begun = 0
        self._ended = Event()
        self._regions = regions
        self.when_counting: Callable[[], None] = lambda: None
        """Called when the first request that counts is about to be made."""

    def next_run(self) -> TaskRun | None:
        """The next request's; None at the end, and when there is no next object."""
        self._pace()
        number, load = self._begun, self._load
        if number == load.requests or self._objects.failure is not None:
            self._ended.set()
            return None
        if number == load.warmup:
            self.when_counting()
        self._begun += 1
        phase = Phase.WARMUP if number < load.warmup else Phase.MEASURED
        return TaskRun(self._task, None, phase, next(self._regions))

    def _pace(self) -> None:
        """Return when the misses so far are paid for. Time without misses is not saved up for later ones."""
        rate = self._load.miss_bytes_per_s
        if not rate:
            return
        now, missed = now_ns(), self._recorder.missed_bytes
        self._free_ns = max(self._free_ns, now) + round((missed - self._paid_bytes) / rate * NS_PER_S)
        self._paid_bytes = missed
        if self._free_ns > now:
            gevent.sleep((self._free_ns - now) / NS_PER_S)

    def wait(self, limit_s: float) -> None:
        """Until the last request has been begun. Raises LoadError for a replay that takes longer than the limit."""
        if not self._ended.wait(limit_s):
            raise LoadError(
                f"the replay had made {self._begun} of {self._load.requests} requests when its {limit_s:.0f} s "
                "were over",
                "look at the service's log lines, or replay fewer requests",
            )

    def check(self) -> None:
        """Raise LoadError, or what kept the sequence from going on, unless every request asked for the next object."""
        if self._objects.failure is not None:
            raise self._objects.failure
        if self._objects.taken != self._begun:
            raise LoadError(
                f"{self._begun} requests of the replay asked for {self._objects.taken} objects of the sequence",
                "let the locustfile's object task call self.next_object() once, before its request",
            )
