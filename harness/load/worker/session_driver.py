"""Runs a load plan in Locust's process, once Locust has loaded the locustfile and spawned its one user."""

from __future__ import annotations

import logging
import os
import random
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import gevent

from harness.errors import LoadError, TareError
from harness.load.client.cache_header import CacheReader
from harness.load.client.connection import Activity
from harness.load.client.session import Session
from harness.load.client.session_factory import SessionFactory
from harness.load.plan.arrivals import region_stream
from harness.load.plan.load_plan import LoadPlan
from harness.load.plan.loads import ClosedLoop, OpenLoop, Ramp, Replay
from harness.load.recorder import Recorder
from harness.load.worker.control import Control
from harness.load.worker.engine import Engine
from harness.load.worker.object_sequence import ObjectStream, sequence_beside
from harness.load.worker.pacing import Pacer
from harness.load.worker.prefill import fill, homes
from harness.load.worker.replay import ReplayRuns
from harness.load.worker.setup_hook import StrictSink, run_before_load
from harness.load.worker.worker_pool import RunSink, Task, Worker, WorkerPool

if TYPE_CHECKING:
    from harness.load.worker.objects import Objects

log = logging.getLogger(__name__)


class UserLike(Protocol):
    """What of a Locust user matters here."""

    client: Session
    rng: random.Random
    object_stream: ObjectStream | None


class RunnerLike(Protocol):
    def quit(self) -> None: ...


class EnvironmentLike(Protocol):
    """What of Locust's environment matters here. Locust ships no types."""

    user_classes: list[Any]
    runner: Any


def weighted_tasks(user_class: Any) -> tuple[list[Task], list[str], list[float]]:
    """The user's tasks, their names and weights. Raises LoadError for what an arrival cannot be."""
    remedy = "give the locustfile one HttpUser class with plain @task methods"
    counted = Counter(user_class.tasks)
    if not counted or any(isinstance(task, type) for task in counted):
        raise LoadError(f"{user_class.__name__} has no tasks, or nested task sets", remedy)
    if any("on_start" in vars(base) for base in user_class.__mro__ if base.__module__.partition(".")[0] != "locust"):
        raise LoadError(f"{user_class.__name__} has an on_start, which has no place in an open loop", remedy)
    tasks = list(counted)
    return tasks, [task.__name__ for task in tasks], [float(weight) for weight in counted.values()]


def object_task(user_class: Any, names: list[str]) -> int:
    """The number of the task that asks for one object of the sequence. Raises LoadError if it is not known."""
    name = user_class.object_task or (names[0] if len(names) == 1 else "")
    if name not in names:
        raise LoadError(
            f"it is not known which task of {user_class.__name__} asks for an object",
            'name it in the locustfile: object_task = "TASK"',
        )
    return names.index(name)


class SessionDriver:
    """One run: everything that is made before anybody says ``ready``. Raises TareError for what cannot be run."""

    def __init__(self, user_class: Any, environment: EnvironmentLike, plan: LoadPlan) -> None:
        if len(environment.user_classes) != 1:
            raise LoadError("the locustfile has several user classes", "keep one; give its tasks weights instead")
        self._plan = plan
        self._user_class = user_class
        self._environment = environment
        self._tasks, self._names, weights = weighted_tasks(user_class)
        activity = Activity()
        self._sessions = SessionFactory(plan.targets, plan.timeout_s, activity)
        self.recorder = Recorder(plan.load.expected_requests, plan.targets.region_names)
        regions = max(1, len(plan.targets.regions))
        self.pool = WorkerPool(self._tasks, self._names, activity, queue=plan.load.queues, regions=regions)
        self.engine = Engine(plan, self.pool, Pacer(activity), self.recorder, weights)
        objects = self._drawn()
        self._filling = objects.before_the_load(plan.prefill.requests) if objects and plan.prefill else []
        self._objects = self._stream(objects)
        needed = bool(plan.prefill) or isinstance(plan.load, Replay)
        self._object_task = object_task(user_class, self._names) if needed else 0
        rng = random.Random(plan.seed)
        stand = self._sessions.client_regions
        cache = None if plan.outcome_header is None else CacheReader(plan.outcome_header)
        workers = []
        for number in range(plan.load.workers):
            sink = RunSink(self.recorder, self._names, cache)
            session = self._sessions.session(sink, stand[number % len(stand)])
            workers.append(Worker(self.pool, self._user(session, rng, self._objects), session, sink))
        self.pool.complete(workers)

    def prepare(self) -> None:
        """What is made before the load. Raises TareError."""
        run_before_load(self._user_class, self._sessions.session(StrictSink()), self._plan.seed)
        if self._plan.prefill is None:
            return
        with ExitStack() as stack:
            regions = homes(self._plan.targets.regions)
            fill(self._filling, regions, self._plan.prefill.users, partial(self._asking, stack))

    def run(self, begin_ns: int) -> None:
        """The load. Raises TareError for a replay that does not come to its end."""
        replay = None
        if isinstance(self._plan.load, Replay) and self._objects is not None:
            regions = region_stream(self._plan.targets.region_weights, self._plan.seed)
            replay = ReplayRuns(self._plan.load, self._object_task, self._objects, self.recorder, regions)
        self.engine.run(begin_ns, replay)

    def write(self) -> None:
        """Write what has been recorded so far."""
        self.recorder.write(Path(self._plan.samples), self.engine.facts)

    def _drawn(self) -> Objects | None:
        """The objects that there are to ask for. None without a catalogue."""
        sequence = self._plan.sequence or sequence_beside(self._user_class)
        if sequence is None:
            return None
        from harness.load.worker.objects import Objects

        return Objects(sequence, self._plan.seed)

    def _stream(self, objects: Objects | None) -> ObjectStream | None:
        """What the load's requests ask for."""
        if objects is None:
            return None
        match self._plan.load:
            case Replay(requests=requests):
                return objects.exactly(requests)
            case OpenLoop() | ClosedLoop() | Ramp():
                return objects.for_the_load(self.engine.arrivals)

    def _asking(self, stack: ExitStack, region: int, objects: ObjectStream) -> Callable[[], object]:
        session = self._sessions.session(StrictSink(), region)
        stack.callback(session.close)
        user = self._user(session, random.Random(f"before the load {self._plan.seed}"), objects)
        return partial(self._tasks[self._object_task], user)

    def _user(self, session: Session, rng: random.Random, objects: ObjectStream | None) -> UserLike:
        user: UserLike = self._user_class(self._environment)
        user.client, user.rng, user.object_stream = session, rng, objects
        return user


def drive(user_class: Any, environment: EnvironmentLike, plan: LoadPlan) -> None:
    """Tell the parent ``ready``, prepare and start when it says so, write the samples, tell ``done``, and quit Locust.

    The samples are also written when Locust is asked to stop early, and when the parent is gone.
    """
    control = Control()
    try:
        run = SessionDriver(user_class, environment, plan)
    except TareError as error:
        _give_up(control, environment, error)
        return

    def stop_with_parent() -> None:
        control.parent_gone.wait()
        run.write()
        # Not through Locust, whose way out waits for users and prints statistics to a terminal that may be gone.
        os._exit(1)

    gevent.spawn(stop_with_parent)

    def write_early(**_: object) -> None:
        if run.engine.facts["interrupted"]:
            run.write()

    environment.runner.environment.events.quitting.add_listener(write_early)
    control.tell("ready")
    try:
        run.run(control.begin_ns(run.prepare))
    except TareError as error:
        _give_up(control, environment, error)
        return
    run.write()
    for problem in run.pool.problems:
        log.warning("a task raised %s", problem)
    control.tell("done")
    gevent.spawn(environment.runner.quit)


def _give_up(control: Control, environment: EnvironmentLike, error: TareError) -> None:
    control.tell("failed", what=error.what, remedy=error.remedy)
    environment.runner.quit()
