"""Runs a load plan in Locust's process, once Locust has loaded the locustfile and spawned its one user."""

from __future__ import annotations

import logging
import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import gevent

from harness.errors import LoadError
from harness.load.before import run_before_load
from harness.load.client import Activity
from harness.load.control import Control
from harness.load.crew import Crew, JobSink, Task, Worker
from harness.load.engine import Engine
from harness.load.pacing import Pacer
from harness.load.plan import LoadPlan
from harness.load.recorder import Recorder
from harness.load.session import Session
from harness.load.ways import Ways

log = logging.getLogger(__name__)


class UserLike(Protocol):
    """What of a Locust user matters here."""

    client: Session
    rng: random.Random


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


def drive(user_class: Callable[[Any], Any], environment: EnvironmentLike, plan: LoadPlan) -> None:
    """Tell the parent ``ready``, prepare and start when it says so, write the samples, tell ``done``, and quit Locust.

    The samples are also written when Locust is asked to stop early, and when the parent is gone.
    """
    control = Control()
    try:
        if len(environment.user_classes) != 1:
            raise LoadError("the locustfile has several user classes", "keep one; give its tasks weights instead")
        tasks, names, weights = weighted_tasks(user_class)
        ways = Ways.of(plan)
    except LoadError as error:
        _give_up(control, environment, error)
        return
    activity = Activity()
    recorder = Recorder(round(plan.rate_rps * plan.open_s * 1.2))
    crew = Crew(tasks, names, activity, queue=plan.queue)
    rng = random.Random(plan.seed)
    crew.complete(
        [_worker(crew, user_class(environment), ways, plan, recorder, rng, activity) for _ in range(plan.workers)]
    )
    engine = Engine(plan, crew, Pacer(activity), recorder, weights)

    def write() -> None:
        recorder.write(Path(plan.samples), engine.facts)

    def stop_with_parent() -> None:
        control.parent_gone.wait()
        write()
        # Not through Locust, whose way out waits for users and prints statistics to a terminal that may be gone.
        os._exit(1)

    gevent.spawn(stop_with_parent)

    def write_early(**_: object) -> None:
        if engine.facts["interrupted"]:
            write()

    environment.runner.environment.events.quitting.add_listener(write_early)
    control.tell("ready")
    try:
        begin_ns = control.begin_ns(lambda: run_before_load(user_class, ways, plan.timeout_s, plan.seed))
    except LoadError as error:
        _give_up(control, environment, error)
        return
    engine.run(begin_ns)
    write()
    for problem in crew.problems:
        log.warning("a task raised %s", problem)
    control.tell("done")
    gevent.spawn(environment.runner.quit)


def _give_up(control: Control, environment: EnvironmentLike, error: LoadError) -> None:
    control.tell("failed", what=error.what, remedy=error.remedy)
    environment.runner.quit()


def _worker(
    crew: Crew, user: UserLike, ways: Ways, plan: LoadPlan, recorder: Recorder, rng: random.Random, activity: Activity
) -> Worker:
    sink = JobSink(recorder, crew.names)
    user.client = Session(ways, plan.timeout_s, sink, activity)
    user.rng = rng
    return Worker(crew, user, user.client, sink)
