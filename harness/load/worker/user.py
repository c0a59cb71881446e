"""The base class of workloads' Locust users. Importing this module imports Locust; ``harness.load`` alone does not.

Under plain ``locust -f locustfile.py --host http://…`` it is an ordinary Locust user: closed loop, Locust's wait times,
Locust's statistics. Under Tare the same file runs by a load plan: arrivals come from a schedule, each arrival is one
run of one task, chosen by Locust's weights, and what counts are raw samples.
"""

from __future__ import annotations

import logging
import os
import random
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import gevent
from gevent import socket
from locust import User
from locust.env import Environment
from locust.exception import RescheduleTask

from harness.errors import LoadError
from harness.load.client.http import ExchangeFailed, Response
from harness.load.client.routing import Routing
from harness.load.client.session import Session
from harness.load.plan.load_plan import PLAN_ENV, LoadPlan
from harness.load.recorder import Outcome
from harness.load.worker.object_sequence import ObjectRef, ObjectStream, sequence_beside
from harness.load.worker.session_driver import drive
from harness.load.worker.setup_hook import StrictSink, run_before_load
from harness.spec.route import Route

log = logging.getLogger(__name__)

PLAIN_TIMEOUT_S = 10.0


class LocustSink:
    """Reports to Locust's own statistics (plain Locust only: whole milliseconds, so Tare never uses them)."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def answered(self, name: str, response: Response, outcome: Outcome, problem: str) -> None:
        error = None if outcome is Outcome.OK else ValueError(problem)
        self._fire(name, (response.done_ns - response.sent_ns) / 1e6, len(response.body), error)

    def failed(self, name: str, failure: ExchangeFailed) -> None:
        self._fire(name, (failure.done_ns - failure.sent_ns) / 1e6, 0, failure)

    def _fire(self, name: str, milliseconds: float, size: int, error: Exception | None) -> None:
        method, _, path = name.rpartition(" ")
        self._environment.events.request.fire(  # type: ignore[no-untyped-call]  # Locust leaves it unannotated
            request_type=method or "HTTP",
            name=path,
            response_time=milliseconds,
            response_length=size,
            exception=error,
            context={},
        )


class PlainSession(Session):
    """A session whose failed exchanges end the task quietly, as Locust counts them already."""

    def request(self, *args: Any, **kwargs: Any) -> Response:
        try:
            return super().request(*args, **kwargs)
        except ExchangeFailed as failure:
            raise RescheduleTask(failure.what) from failure


class HttpUser(User):
    """A user with ``self.client`` (harness.load.client.session.Session) and ``self.rng``, a seeded ``random.Random``.

    Under Tare one random number generator serves all users, so that the sequence of drawn values belongs to the seed
    and not to whichever connection was free: draw before the task's first request. Nested task sets and ``on_start``
    are refused there, because an arrival is one run of one task.
    """

    abstract = True
    object_task: ClassVar[str] = ""
    """The name of the task that asks for one object, ``next_object()``, for replays and for filling caches; not needed
    where there is one task alone."""
    _prepared: ClassVar[bool]
    _plain_objects: ClassVar[ObjectStream]

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.rng = random.Random()
        if self.host is None:
            raise ValueError("give the service's address: --host http://HOST:PORT")
        parts = urlsplit(self.host)
        if parts.scheme != "http" or parts.hostname is None:
            raise ValueError(f"--host must be http://HOST:PORT, not {self.host!r}")
        ip = socket.gethostbyname(parts.hostname)
        self._routing = Routing([Route("/", ip, parts.port or 80)])
        self.object_stream: ObjectStream | None = None
        self.client: Session = PlainSession(self._routing, PLAIN_TIMEOUT_S, LocustSink(environment))

    @classmethod
    def before_load(cls, client: Session, rng: random.Random) -> None:
        """Runs once before the load begins, to make what the tasks need. Nothing unless overridden.

        Its requests are neither recorded nor measured. The first answer that is not the expected one ends the run, and
        so does whatever it raises. ``rng`` is seeded, but not the tasks' own.
        """

    def next_object(self) -> ObjectRef:
        """The object that the next request is to ask for, in the order of the load's sequence.

        Call it before the task's first request, as with ``rng``. Without a sequence it is one of the workload's
        catalogue by Zipf's law. Raises LoadError where there is no catalogue either.
        """
        if self.object_stream is None:
            self.object_stream = self._objects_without_plan()
        return self.object_stream.take()

    def _objects_without_plan(self) -> ObjectStream:
        """One sequence for all users."""
        user_class = type(self)
        if "_plain_objects" not in vars(user_class):
            sequence = sequence_beside(user_class)
            if sequence is None:
                raise LoadError("there is no catalogue to want an object of", "give workload.toml a [catalogue]")
            from harness.load.worker.objects import Objects

            user_class._plain_objects = Objects(sequence, seed=1).for_the_load(0)
        return user_class._plain_objects

    def start(self, group: Any) -> Any:
        """Called by Locust when it spawns the user: under Tare the one user that is spawned drives the whole load."""
        plan_path = os.environ.get(PLAN_ENV)
        if plan_path is None:
            self._prepare_once()
            return super().start(group)
        self._group = group
        # Locust takes the first argument of each greenlet of the group for the user that runs in it.
        self._greenlet = group.spawn(HttpUser._drive, self, LoadPlan.from_json(Path(plan_path).read_text()))
        return self._greenlet

    def _prepare_once(self) -> None:
        """Plain Locust starts one user after the other: the first of its class prepares for all."""
        if "_prepared" in vars(type(self)):
            return
        type(self)._prepared = True
        try:
            run_before_load(type(self), Session(self._routing, PLAIN_TIMEOUT_S, StrictSink()), seed=1)
        except LoadError as error:
            log.error("%s: %s", error.what, error.remedy)
            self.environment.process_exit_code = 1
            gevent.spawn(self.environment.runner.quit)

    def _drive(self, plan: LoadPlan) -> None:
        drive(type(self), self.environment, plan)
