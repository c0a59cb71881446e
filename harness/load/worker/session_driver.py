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
from typing import Any, Protocol

import gevent

from harness.errors import LoadError, TareError
from harness.load.client.cache_header import CacheReader
from harness.load.client.connection import Activity
from harness.load.client.session import Session
from harness.load.client.session_factory import Clients
from harness.load.plan.load_plan import LoadPlan
from harness.load.recorder import Recorder
from harness.load.worker.control import Control
from harness.load.worker.engine import Engine
from harness.load.worker.object_sequence import Wanted, Wants, beside
from harness.load.worker.pacing import Pacer
from harness.load.worker.prefill import fill, homes
from harness.load.worker.replay import Replay
from harness.load.worker.setup_hook import StrictSink, run_before_load
from harness.load.worker.worker_pool import Crew, JobSink, Task, Worker

log = logging.getLogger(__name__)


class UserLike(Protocol):
    """What of a Locust user matters here."""

    client: Session
    rng: random.Random
    wants: Wants | None


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


class Drive:
    """One run: everything that is made before anybody says ``ready``. Raises TareError for what cannot be run."""

    def __init__(self, user_class: Any, environment: EnvironmentLike, plan: LoadPlan) -> None:
        if len(environment.user_classes) != 1:
            raise LoadError("the locustfile has several user classes", "keep one; give its tasks weights instead")
        self._plan = plan
        self._user_class = user_class
        self._environment = environment
        self._tasks, self._names, weights = weighted_tasks(user_class)
        activity = Activity()
        self._clients = Clients(plan, activity)
        self.recorder = Recorder(
            plan.replay_requests or round(plan.rate_rps * plan.open_s * 1.2), [region.name for region in plan.regions]
        )
        regions = max(1, len(plan.regions))
        self.crew = Crew(self._tasks, self._names, activity, queue=plan.queue, regions=regions)
        self.engine = Engine(plan, self.crew, Pacer(activity), self.recorder, weights)
        self._wants, self._filling = self._sequence()
        self._object_task = object_task(user_class, self._names) if plan.prefill or plan.mode == "replay" else 0
        rng = random.Random(plan.seed)
        places = self._clients.places
        cache = None if plan.outcome_header is None else CacheReader(plan.outcome_header)
        workers = []
        for number in range(plan.workers):
            sink = JobSink(self.recorder, self._names, cache)
            session = self._clients.session(sink, places[number % len(places)])
            workers.append(Worker(self.crew, self._user(session, rng, self._wants), session, sink))
        self.crew.complete(workers)

    def prepare(self) -> None:
        """What is made before the load. Raises TareError."""
        run_before_load(self._user_class, self._clients.session(StrictSink()), self._plan.seed)
        if not self._filling:
            return
        with ExitStack() as stack:
            fill(self._filling, homes(self._plan.regions), self._plan.closed_users, partial(self._asking, stack))

    def run(self, begin_ns: int) -> None:
        """The load. Raises TareError for a replay that does not come to its end."""
        replay = None
        if self._plan.mode == "replay" and self._wants is not None:
            replay = Replay(self._plan, self._object_task, self._wants, self.recorder)
        self.engine.run(begin_ns, replay)

    def write(self) -> None:
        """Write what has been recorded so far."""
        self.recorder.write(Path(self._plan.samples), self.engine.facts)

    def _sequence(self) -> tuple[Wants | None, list[Wanted]]:
        """What the load's requests ask for, and what those before it do. Nothing without a catalogue."""
        plan = self._plan
        sequence = plan.sequence or beside(self._user_class)
        if sequence is None:
            return None, []
        from harness.load.worker.objects import Objects

        objects = Objects(sequence, plan.seed)
        replayed = plan.mode == "replay"
        wants = objects.exactly(plan.replay_requests) if replayed else objects.for_the_load(self.engine.arrivals)
        return wants, objects.before_the_load(plan.prefill) if plan.prefill else []

    def _asking(self, stack: ExitStack, region: int, wants: Wants) -> Callable[[], object]:
        session = self._clients.session(StrictSink(), region)
        stack.callback(session.close)
        user = self._user(session, random.Random(f"before the load {self._plan.seed}"), wants)
        return partial(self._tasks[self._object_task], user)

    def _user(self, session: Session, rng: random.Random, wants: Wants | None) -> UserLike:
        user: UserLike = self._user_class(self._environment)
        user.client, user.rng, user.wants = session, rng, wants
        return user


def drive(user_class: Any, environment: EnvironmentLike, plan: LoadPlan) -> None:
    """Tell the parent ``ready``, prepare and start when it says so, write the samples, tell ``done``, and quit Locust.

    The samples are also written when Locust is asked to stop early, and when the parent is gone.
    """
    control = Control()
    try:
        run = Drive(user_class, environment, plan)
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
    for problem in run.crew.problems:
        log.warning("a task raised %s", problem)
    control.tell("done")
    gevent.spawn(environment.runner.quit)


def _give_up(control: Control, environment: EnvironmentLike, error: TareError) -> None:
    control.tell("failed", what=error.what, remedy=error.remedy)
    environment.runner.quit()
