"""The engine without Locust: what becomes of every arrival."""

from __future__ import annotations

import gc
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gevent
import numpy as np
import pytest

from harness.clock import NS_PER_MS, now_ns
from harness.errors import LoadError
from harness.load.client.cache_header import CacheReader
from harness.load.client.connection import Activity
from harness.load.client.http import Response
from harness.load.client.session import Session
from harness.load.client.session_factory import SessionFactory
from harness.load.plan import (
    CapacityPhase,
    ClosedLoop,
    LoadPlan,
    OpenLoop,
    Pool,
    Ramp,
    RegionPlan,
    Replay,
    Schedule,
    SequencePlan,
    Targets,
)
from harness.load.plan import loads as loads_module
from harness.load.plan.arrivals import intended_offsets_ns, region_choices, region_stream
from harness.load.recorder import Cache, Outcome, Phase, Recorder, Samples
from harness.load.worker.engine import Engine
from harness.load.worker.object_sequence import ObjectRef, ObjectStream
from harness.load.worker.pacing import Pacer
from harness.load.worker.replay import ReplayRuns
from harness.load.worker.worker_pool import RunSink, Worker, WorkerPool
from harness.spec.route import Route
from harness.spec.sequence import CatalogueSpec

Serve = Callable[[Callable[[socket.socket, int], None]], int]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ROOMY = Pool(100)
"""Room for every arrival at once: a busy host may stall this process for a while, and that is not under test."""
OPEN = OpenLoop(Schedule(100, 0.2, 0.05), ROOMY, tail_s=0.05)
STEADY = Schedule(100, 0.2, 0.05, "constant")
TOTAL_S = OPEN.scheduled_s


def to(port: int) -> Targets:
    return Targets((Route("/", "127.0.0.1", port),))


PLAN = LoadPlan(to(1), OPEN, "/s", timeout_s=5)


class User:
    def __init__(self, client: Session, objects: ObjectStream | None) -> None:
        self.client = client
        self.object_stream = objects


def answering(delay_s: float = 0.0, answer: bytes = OK) -> Callable[[socket.socket, int], None]:
    def talk(connection: socket.socket, _number: int) -> None:
        while connection.recv(65536):
            time.sleep(delay_s)
            connection.sendall(answer)

    return talk


def run(
    plan: LoadPlan, task: Callable[[Any], object], objects: ObjectStream | None = None
) -> tuple[Samples, dict[str, Any], Recorder]:
    activity, recorder = Activity(), Recorder(100)
    regions = max(1, len(plan.targets.regions))
    pool = WorkerPool([task], ["task"], activity, queue=plan.load.queues, regions=regions)
    workers, sessions = [], SessionFactory(plan.targets, plan.timeout_s, activity)
    cache = None if plan.outcome_header is None else CacheReader(plan.outcome_header)
    for number in range(plan.load.workers):
        sink = RunSink(recorder, pool.names, cache)
        session = sessions.session(sink, sessions.client_regions[number % len(sessions.client_regions)])
        workers.append(Worker(pool, User(session, objects), session, sink))
    pool.complete(workers)
    engine = Engine(plan, pool, Pacer(activity), recorder, [1.0])
    # The engine collects garbage before it begins: of a generator's process in no time, of a test runner's in many.
    gc.collect()
    gc.freeze()
    replay = None
    if objects is not None and isinstance(plan.load, Replay):
        replay = ReplayRuns(plan.load, 0, objects, recorder, region_stream(plan.targets.region_weights, plan.seed))
    try:
        engine.run(now_ns() + 30 * NS_PER_MS, replay)
    finally:
        for worker in workers:
            worker.session.close()
        gevent.killall([worker.greenlet for worker in workers])
    return recorder.samples(), engine.facts, recorder


def get(user: User) -> Response:
    return user.client.get("/")


def test_every_arrival_of_the_schedule_is_sent_at_its_time(serve: Serve) -> None:
    samples, facts, _ = run(replace(PLAN, targets=to(serve(answering()))), get)
    offsets = intended_offsets_ns(100, TOTAL_S, "poisson", 1)
    assert len(samples) == len(offsets)
    assert (samples["outcome"] == Outcome.OK).all()
    samples = np.sort(samples, order="intended_ns")
    begin = samples["intended_ns"][0] - offsets[0]
    assert (samples["intended_ns"] - begin == offsets).all()
    assert (samples["sent_ns"] >= samples["intended_ns"]).all()
    assert (samples["done_ns"] > samples["sent_ns"]).all()
    phases = np.where(offsets < 50 * NS_PER_MS, Phase.WARMUP, np.where(offsets < 250 * NS_PER_MS, 1, 2))
    assert (samples["phase"] == phases).all()
    assert facts["scheduled"] == (phases == Phase.MEASURED).sum()
    assert facts["interrupted"] is False
    assert facts["generator_busy"] >= 0


def test_an_arrival_beyond_the_limit_is_dropped_and_never_waits(serve: Serve) -> None:
    plan = replace(PLAN, targets=to(serve(answering(0.2))), load=replace(OPEN, schedule=STEADY, pool=Pool(1)))
    samples, _, _ = run(plan, get)
    assert len(samples) == 30
    dropped = samples["outcome"] == Outcome.DROPPED
    assert 1 <= dropped.sum() <= 29  # 0.3 s hold two answers of 0.2 s, and more where a slow host stretches them
    assert (samples["outcome"][~dropped] == Outcome.OK).all()


def test_with_a_queue_it_waits_and_its_latency_counts_from_the_intended_time(serve: Serve) -> None:
    load = replace(OPEN, schedule=STEADY, pool=Pool(1, queue=True))
    plan = replace(PLAN, targets=to(serve(answering(0.02))), load=load)
    samples, _, _ = run(plan, get)
    assert len(samples) == 30
    assert (samples["outcome"] == Outcome.OK).all()
    last = samples[np.argmax(samples["intended_ns"])]
    # 30 requests of 20 ms on one connection take 0.6 s; the last was meant to be sent after 0.29 s.
    assert last["done_ns"] - last["intended_ns"] > 250 * NS_PER_MS
    # Nearly all of it was before the actual send.
    assert last["sent_ns"] - last["intended_ns"] > 250 * NS_PER_MS


def test_wrong_answers_are_unexpected_whoever_notices(serve: Serve) -> None:
    def wrong_status(user: User) -> None:
        user.client.get("/", expect_status=201)

    def refused_by_check(user: User) -> None:
        user.client.get("/", check=lambda answer: answer.body == b"no")

    def check_raises(user: User) -> None:
        user.client.get("/", check=lambda answer: answer.json()["x"])

    def task_raises(user: User) -> None:
        assert user.client.get("/").body == b"no"

    port = serve(answering())
    for task in (wrong_status, refused_by_check, check_raises, task_raises):
        samples, _, _ = run(replace(PLAN, targets=to(port)), task)
        assert len(samples) > 0
        assert (samples["outcome"] == Outcome.UNEXPECTED).all(), task.__name__
        assert (samples["status"] == 200).all()


def test_no_answer_is_an_error_and_so_is_a_task_that_asks_nothing() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        for task in (get, lambda _: None, lambda _: 1 / 0):
            samples, _, _ = run(replace(PLAN, targets=to(port)), task)
            assert len(samples) == len(intended_offsets_ns(100, TOTAL_S, "poisson", 1))
            assert (samples["outcome"] == Outcome.ERROR).all()


def test_later_requests_of_a_task_have_a_name_of_their_own(serve: Serve) -> None:
    def twice(user: User) -> None:
        user.client.get("/")
        user.client.get("/")

    samples, _, recorder = run(replace(PLAN, targets=to(serve(answering()))), twice)
    first, second = (samples[samples["task"] == recorder.task(name)] for name in ("task", "task#2"))
    assert len(first) == len(second) > 0
    assert (second["intended_ns"] == second["sent_ns"]).all()


def test_a_closed_loop_keeps_its_users_busy_and_ends(serve: Serve) -> None:
    plan = replace(PLAN, targets=to(serve(answering(0.01))), load=ClosedLoop(CapacityPhase(3, 0.4), 0.05))
    samples, facts, _ = run(plan, get)
    capacity = samples[samples["phase"] == Phase.CAPACITY]
    assert facts["capacity"]["users"] == 3
    assert facts["capacity"]["end_ns"] - facts["capacity"]["begin_ns"] == 400 * NS_PER_MS
    assert 3 <= len(capacity) <= 123  # 3 users, 0.4 s, at least 10 ms each


def test_capacity_may_follow_the_open_loop(serve: Serve) -> None:
    load = replace(OPEN, capacity=CapacityPhase(2, 0.2))
    samples, facts, _ = run(replace(PLAN, targets=to(serve(answering())), load=load), get)
    assert (samples["phase"] == Phase.CAPACITY).sum() >= 2
    assert facts["scheduled"] == (samples["phase"] == Phase.MEASURED).sum()


def test_a_ramp_goes_on_until_the_schedule_is_not_kept_twice(serve: Serve) -> None:
    # The first step's arrivals fit in at once, should the host stall; the others' never do before the first answer.
    load = Ramp(replace(STEADY, rate_rps=20), (400.0, 800.0, 1600.0), Pool(8), step_s=0.1, max_lag_ns=10**11)
    plan = replace(PLAN, targets=to(serve(answering(0.1))), load=load)
    _, facts, _ = run(plan, get)
    assert [bool(step["kept"]) for step in facts["steps"]] == [True, False, False]


@pytest.mark.parametrize("left_ms", [0.3, 5.0])
def test_the_pacer_is_never_early(left_ms: float) -> None:
    pacer = Pacer(Activity())
    for _ in range(50):
        moment = now_ns() + round(left_ms * NS_PER_MS)
        pacer.wait_until(moment)
        assert now_ns() >= moment
        pacer.rest()
    # A busy host may take a single wait whole, and leave none of it to be waited actively.
    assert pacer.waited_ns > 0


def regions(*ports: int) -> tuple[RegionPlan, ...]:
    weights = [3.0, 1.0, 0.0][: len(ports)]
    return tuple(
        RegionPlan(f"r{port}", weight, None, (to(port).routes,)) for port, weight in zip(ports, weights, strict=True)
    )


def test_every_arrival_is_made_from_its_region(serve: Serve) -> None:
    served: list[list[socket.socket]] = [[], [], []]

    def at(number: int) -> Callable[[socket.socket, int], None]:
        def talk(connection: socket.socket, count: int) -> None:
            served[number].append(connection)
            answering()(connection, count)

        return talk

    ports = [serve(at(number)) for number in range(3)]
    plan = replace(PLAN, targets=replace(to(ports[0]), regions=regions(*ports)))
    samples, facts, _ = run(plan, get)
    plain, _, _ = run(replace(PLAN, targets=to(ports[0])), get)
    order, plain_order = (np.argsort(each["intended_ns"], kind="stable") for each in (samples, plain))
    assert (samples["outcome"] == Outcome.OK).all()
    assert samples["region"][order].tolist() == region_choices(len(samples), [3, 1, 0], plan.seed).tolist()
    # Regions change neither when arrivals are nor what they do.
    intended, plainly = samples["intended_ns"][order], plain["intended_ns"][plain_order]
    assert (np.diff(intended) == np.diff(plainly)).all()
    assert set(plain["region"]) == {0}
    assert facts["scheduled"] == (samples["phase"] == Phase.MEASURED).sum()
    assert not served[2]  # nobody stands there


def test_what_a_cache_said_is_kept_with_the_sample(serve: Serve) -> None:
    answer = b"HTTP/1.1 200 OK\r\nX-Cache: HIT from here\r\nContent-Length: 2\r\n\r\nok"
    plan = replace(PLAN, targets=to(serve(answering(answer=answer))), outcome_header=("x-cache", (("hit", "hit"),)))
    samples, _, _ = run(plan, get)
    assert len(samples) > 0
    assert (samples["cache"] == Cache.HIT).all()


REPLAY = Replay(SequencePlan(CatalogueSpec(objects=99)), 40, 10)


def replaying(targets: Targets, **changes: Any) -> LoadPlan:
    return replace(PLAN, targets=targets, load=replace(REPLAY, **changes))


def by_number(user: User) -> Response:
    assert user.object_stream is not None
    return user.client.get(f"/{user.object_stream.take().number}")


def numbers(count: int) -> ObjectStream:
    return ObjectStream(ObjectRef(number, 1) for number in range(count))


@pytest.mark.parametrize("users", [1, 4])
def test_a_replay_makes_its_requests_in_order_and_goes_on_after_one_that_failed(serve: Serve, users: int) -> None:
    asked: list[int] = []

    def talk(connection: socket.socket, _number: int) -> None:
        while data := connection.recv(65536):
            asked.append(int(data.split()[1][1:]))
            if asked[-1] == 20:
                return
            connection.sendall(OK)

    samples, facts, _ = run(replaying(to(serve(talk)), users=users), by_number, numbers(40))
    assert len(samples) == 40
    # A reused connection that is closed without an answer is tried once more: number 20 was.
    assert sorted(set(asked)) == list(range(40))
    if users == 1:
        assert asked == [*range(20), 20, *range(20, 40)]
        assert samples["phase"].tolist() == [Phase.WARMUP] * 10 + [Phase.MEASURED] * 30
    assert (samples["phase"] == Phase.MEASURED).sum() == 30
    assert (samples["intended_ns"] == samples["sent_ns"]).all()
    assert (samples["outcome"] == Outcome.ERROR).sum() == 1
    counted = samples[samples["phase"] == Phase.MEASURED]
    assert facts["replay"]["window_begin_ns"] == counted["sent_ns"].min()
    assert facts["replay"]["window_end_ns"] == counted["done_ns"].max()
    assert facts["interrupted"] is False
    assert facts["generator_busy"] >= 0


def test_a_paced_replay_pays_for_its_misses(serve: Serve) -> None:
    """Nine of ten hit until 20, then all are missed: 2 and then 20 misses of 2 bytes each, at 200 bytes/s.

    That hits wait for nobody: tests/truth/test_pacing.py.
    """

    def talk(connection: socket.socket, _number: int) -> None:
        while data := connection.recv(65536):
            number = int(data.split()[1][1:])
            word = b"miss" if number % 10 == 0 or number >= 20 else b"hit"
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Cache: %s\r\nContent-Length: 2\r\n\r\nok" % word)

    header = ("X-Cache", (("hit", "hit"), ("miss", "miss")))
    load = replace(REPLAY, miss_bytes_per_s=200.0)
    plan = replace(PLAN, targets=to(serve(talk)), load=load, outcome_header=header)
    samples, _, recorder = run(plan, by_number, numbers(40))
    assert recorder.missed_bytes == 2 * 22
    gaps_ms = (samples["sent_ns"][1:] - samples["done_ns"][:-1]) / NS_PER_MS
    after_misses = samples["cache"][:-1] == Cache.MISS
    assert gaps_ms[after_misses].min() >= 9.5


def test_a_replay_that_takes_too_long_is_told(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loads_module, "_PREPARE_S", 0.2)
    monkeypatch.setattr(loads_module, "_NEAR_S", 0.001)
    with pytest.raises(LoadError, match=r"had made \d+ of 40 requests when its 0 s were over"):
        run(replaying(to(serve(answering(0.1)))), by_number, numbers(40))


def test_a_replay_whose_sequence_ends_early_is_told(serve: Serve) -> None:
    with pytest.raises(LoadError, match="at its end"):
        run(replaying(to(serve(answering()))), by_number, numbers(30))


def test_a_replayed_task_that_asks_for_no_object_is_told(serve: Serve) -> None:
    with pytest.raises(LoadError, match="40 requests of the replay asked for 0 objects"):
        run(replaying(to(serve(answering()))), get, numbers(40))
