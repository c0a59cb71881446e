"""The bounded pool of greenlets that run tasks, each with a user and a connection of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

import gevent
from gevent import get_hub

from harness.clock import now_ns
from harness.load.client.cache_header import CacheReader
from harness.load.client.connection import Activity, Connection
from harness.load.client.http import ExchangeFailed, Response
from harness.load.client.session import Session
from harness.load.recorder import Outcome, Recorder, Sample

Task = Callable[[object], object]
PREOPENED = 16
"""Workers of each region whose connections are opened before the first arrival. They are used in turn; another only
when all are busy."""

_RETRY_S = 0.001


class TaskRun(NamedTuple):
    """One run of a task. ``intended_ns`` None: it counts from when its request is sent (closed loop).

    ``region``: the number of the region that its client stands in; 0 without regions.
    """

    task: int
    intended_ns: int | None
    phase: int
    region: int = 0


class RunSink:
    """Records the requests of one worker's current task run."""

    def __init__(self, recorder: Recorder, names: Sequence[str], cache: CacheReader | None = None) -> None:
        self._recorder = recorder
        self._names = names
        self._cache = cache
        self._run = TaskRun(0, None, 0)
        self._requests = 0
        self._last = -1
        self._last_ok = False
        self.failed_exchange = False

    def begin(self, run: TaskRun) -> None:
        self._run = run
        self._requests = 0
        self._last_ok = False
        self.failed_exchange = False

    def answered(self, name: str, response: Response, outcome: Outcome, problem: str) -> None:  # noqa: ARG002 (Sink)
        self._last_ok = outcome is Outcome.OK
        cache = 0 if self._cache is None else self._cache.read(response)
        self._add(response.sent_ns, response.done_ns, outcome, response.status, len(response.body), cache)

    def failed(self, name: str, failure: ExchangeFailed) -> None:  # noqa: ARG002 (Sink)
        self._last_ok = False
        self.failed_exchange = True
        self._add(failure.sent_ns, failure.done_ns, Outcome.ERROR, 0, 0)

    def task_raised(self) -> None:
        """The task itself raised: its last answer was not what it needs. Without a request there is none to blame."""
        if self._requests == 0:
            self.abandoned()
        elif self._last_ok:
            self._recorder.mark(self._last, Outcome.UNEXPECTED)

    def ended(self) -> None:
        """The task returned. An arrival that sent nothing must not vanish from the counts."""
        if self._requests == 0:
            self.abandoned()

    def abandoned(self) -> None:
        """There is no answer, and none will come."""
        at_ns = now_ns()
        self._add(at_ns, at_ns, Outcome.ERROR, 0, 0)

    def _add(self, sent_ns: int, done_ns: int, outcome: Outcome, status: int, size: int, cache: int = 0) -> None:
        self._requests += 1
        task, intended_ns, phase, region = self._run
        name = self._names[task]
        if self._requests > 1:
            name, intended_ns = f"{name}#{self._requests}", None
        intended_ns = sent_ns if intended_ns is None else intended_ns
        number = self._recorder.task(name)
        self._last = self._recorder.add(
            Sample(intended_ns, sent_ns, done_ns, phase, outcome, status, number, size, region, cache)
        )


class Worker:
    """A greenlet that waits for a run, does it, and goes on with the next one or back into the pool."""

    def __init__(self, pool: WorkerPool, user: object, session: Session, sink: RunSink) -> None:
        self._pool = pool
        self._user = user
        self.sink = sink
        self.busy = False
        self.session = session
        self.greenlet = gevent.spawn(self._work)

    def _work(self) -> None:
        hub = get_hub()
        while True:
            run: TaskRun | None = hub.switch()
            self.busy = True
            while run is not None:
                self._do(run)
                run = self._pool.after(self)
            self.busy = False

    def _do(self, run: TaskRun) -> None:
        sink = self.sink
        sink.begin(run)
        self.session.region = run.region
        try:
            self._pool.tasks[run.task](self._user)
        except ExchangeFailed:
            pass
        except Exception as error:  # noqa: BLE001 (task code is the user's: it spoils this request only)
            self._pool.note_problem(error)
            sink.task_raised()
        else:
            sink.ended()
        if sink.failed_exchange and run.intended_ns is None:
            # A refused connection fails without ever reaching the loop: a closed loop would starve it.
            gevent.sleep(_RETRY_S)


class WorkerPool:
    """All workers. ``dispatch`` and ``closed_loop`` give them jobs.

    With ``regions`` (how many) a run goes to a worker who was in its region last, and has connections there; else to
    one who was nowhere yet, or, when all have been somewhere, to one of another region.
    """

    def __init__(
        self, tasks: Sequence[Task], names: Sequence[str], activity: Activity, *, queue: bool, regions: int = 1
    ) -> None:
        self.tasks = tasks
        self.names = names
        self.problems: list[str] = []
        self.workers: list[Worker] = []
        self._activity = activity
        self._queue = queue
        self._waiting: deque[TaskRun] = deque()
        self._ready: list[deque[Worker]] = [deque() for _ in range(regions)]
        self._spare: list[Worker] = []
        self._next: Callable[[], TaskRun | None] | None = None

    def complete(self, workers: Sequence[Worker]) -> None:
        """Take the workers in. Only then may jobs be given."""
        self.workers = list(workers)
        gevent.sleep(0)  # every greenlet runs up to where it waits for its first run
        for worker in self.workers:
            ready = self._ready[worker.session.region]
            if len(ready) < PREOPENED:
                ready.append(worker)
            else:
                self._spare.append(worker)
        self._spare.reverse()

    def open_connections(self, timeout_s: float) -> None:
        """Open the first workers' connections to all places, side by side, so that none waits for a dead one.

        One that cannot be opened in time is opened by its first request.
        """
        ready = [worker for region in self._ready for worker in region]
        openers = [gevent.spawn(_try_open, each) for worker in ready for each in worker.session.connections]
        gevent.joinall(openers, timeout=timeout_s)
        gevent.killall(openers)

    def idle(self) -> int:
        return sum(map(len, self._ready)) + len(self._spare)

    def dispatch(self, run: TaskRun) -> bool:
        """Start the run now, in the dispatcher's greenlet, and come back after one turn of the loop.

        False if all workers are busy and arrivals do not queue: then nothing happened. Only with a turning pacer.
        """
        ready = self._ready[run.region]
        if ready:
            worker = ready.popleft()
        elif (free := self._free()) is not None:
            worker = free
        elif self._queue:
            self._waiting.append(run)
            return True
        else:
            return False
        self._activity.count += 1
        worker.greenlet.switch(run)
        return True

    def closed_loop(self, users: int, next_run: Callable[[], TaskRun | None]) -> None:
        """Let ``users`` workers do one run after another, until ``next_run`` returns None. Returns at once."""
        self._next = next_run
        for _ in range(users):
            run = next_run()
            if run is None:
                return
            ready = self._ready[run.region]
            worker = ready.popleft() if ready else self._free()
            if worker is None:
                raise ValueError(f"there are no {users} idle workers")
            get_hub().loop.run_callback(worker.greenlet.switch, run)

    def after(self, worker: Worker) -> TaskRun | None:
        """What ``worker`` does next; None sends it back into the pool."""
        self._activity.count += 1
        if self._waiting:
            return self._waiting.popleft()
        run = self._next() if self._next is not None else None
        if run is None:
            self._ready[worker.session.region].append(worker)
        return run

    def _free(self) -> Worker | None:
        """A worker that was in no region yet, or one of the region with the most idle ones."""
        if self._spare:
            return self._spare.pop()
        most = max(self._ready, key=len)
        return most.popleft() if most else None

    def abandon(self) -> list[TaskRun]:
        """Give up what is still under way, as errors, and return the jobs that nobody has begun."""
        runs = list(self._waiting)
        self._waiting.clear()
        for worker in self.workers:
            if worker.busy:
                worker.sink.abandoned()
                worker.greenlet.kill(block=False)
        return runs

    def note_problem(self, error: Exception) -> None:
        """Keep the first few errors of task code for the log."""
        if len(self.problems) < 5:
            self.problems.append(repr(error))


def _try_open(connection: Connection) -> None:
    try:
        connection.open()
    except ExchangeFailed:
        return
