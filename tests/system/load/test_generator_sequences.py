"""The generator with a sequence of objects: by arrivals, as a replay, filling caches. Needs no root and no engine."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.errors import LoadError
from harness.load.plan import (
    LoadPlan,
    OpenLoop,
    Pool,
    Prefill,
    RegionPlan,
    Replay,
    Schedule,
    SequencePlan,
    Targets,
    TaskSource,
)
from harness.load.recorder import Cache, Outcome, Phase
from harness.load.result import LoadResult
from harness.load.runner import Generator
from harness.load.worker.objects import Objects
from harness.spec.route import Route
from harness.spec.sequence import CatalogueSpec, SequenceSpec
from tests.support.web import Asked, reply, service
from tests.system.load.test_generator import HERE, locustfile, plain_locust, to

SEQUENCE = SequencePlan(CatalogueSpec(objects=40), SequenceSpec(requests=2000, objects=40, exponent=0.7, seed=3), 50)
SOURCE = """
    from locust import constant, task
    from harness.load import HttpUser

    class Shelf(HttpUser):
        wait_time = constant(0.01)
        object_task = "book"

        @task(3)
        def book(self):
            number, size = self.next_object()
            self.client.get(f"/{number}", check=lambda answer: len(answer.body) == size)

        @task(1)
        def bell(self): self.client.get("/bell")
"""


def shelf(asked: Asked) -> bytes:
    if asked.target == "/bell":
        return reply(200, "")
    number = int(asked.target[1:])
    cache = b"hit" if number % 2 else b"MISS, fetched"
    body = b"x" * SIZES[number]
    return b"HTTP/1.1 200 OK\r\nX-Cache: %s\r\nContent-Length: %d\r\n\r\n%s" % (cache, len(body), body)


def sequence(start: int, count: int) -> list[int]:
    plan = SequencePlan(SEQUENCE.catalogue, SEQUENCE.requests, start)
    stream = Objects(plan, 1).exactly(count)
    return [stream.take().number for _ in range(count)]


def _sizes() -> dict[int, int]:
    stream = Objects(SEQUENCE, 1).for_the_load(1000)
    return dict(stream.take() for _ in range(1000))


SIZES = _sizes()


OPEN = OpenLoop(Schedule(200, 0.5), sequence=SEQUENCE)
IN_ORDER = replace(OPEN, pool=Pool(1, queue=True))


def plan_for(port: int, folder: Path, load: OpenLoop | Replay = OPEN) -> LoadPlan:
    tasks = TaskSource(locustfile(folder, SOURCE))
    header = ("x-cache", (("hit", "hit"), ("miss", "miss")))
    return LoadPlan(to(port), load, str(folder / "samples.bin"), tasks, outcome_header=header)


def run(plan: LoadPlan, folder: Path) -> LoadResult:
    with Generator(plan, HERE, folder) as running:
        running.wait_ready()
        running.prepare()
        running.start()
        return running.finish()


def objects(asked: list[Asked]) -> list[int]:
    return [int(each.target[1:]) for each in asked if each.target != "/bell"]


def test_arrivals_ask_for_the_sequences_objects_in_order(tmp_path: Path) -> None:
    with service(shelf) as one:
        result = run(plan_for(one.port, tmp_path, IN_ORDER), tmp_path)
    assert result.scheduled == result.completed == len(one.asked) > 50
    found = objects(one.asked)
    assert len(found) > 40
    assert found == sequence(50, len(found))
    said = result.cache_counts
    assert said["hit"] == sum(number % 2 for number in found)
    assert said["miss"] == len(found) - said["hit"]
    assert said["none"] == len(one.asked) - len(found) > 0


def test_a_cache_is_filled_first_and_the_load_goes_on_from_there(tmp_path: Path) -> None:
    with service(shelf) as one, service(shelf) as other:
        ways = [(Route("/", "127.0.0.1", each.port),) for each in (one, other)]
        regions = (RegionPlan("near", 1.0, None, (ways[0],)), RegionPlan("far", 0.0, None, (ways[1],)))
        plan = replace(
            plan_for(one.port, tmp_path, IN_ORDER), targets=Targets(ways[0], regions=regions), prefill=Prefill(30, 1)
        )
        result = run(plan, tmp_path)
    filled, loaded = objects(one.asked[:30]), objects(one.asked[30:])
    assert filled == objects(other.asked) == sequence(20, 30)
    assert loaded == sequence(50, len(loaded))
    assert result.scheduled == result.completed == len(one.asked) - 30
    assert result.regions == ("near", "far")
    assert set(result.samples["region"]) == {0}


def test_a_cache_that_cannot_be_filled_is_told(tmp_path: Path) -> None:
    with service(lambda _: reply(503, "cold")) as one:
        plan = replace(plan_for(one.port, tmp_path), prefill=Prefill(30, 8))
        with Generator(plan, HERE, tmp_path) as running:
            running.wait_ready()
            with pytest.raises(RuntimeError, match="prepared"):
                running.start()
            with pytest.raises(LoadError, match=r"before the load: GET /\d+: status 503"):
                running.prepare()
    with Generator(plan, HERE, tmp_path) as running:
        running.wait_ready()
        with pytest.raises(LoadError, match=r"before the load: GET /\d+: .*refused"):
            running.prepare()


@pytest.mark.parametrize("users", [1, 3])
def test_a_replay_makes_every_request_once_in_order(tmp_path: Path, users: int) -> None:
    with service(shelf) as one:
        plan = plan_for(one.port, tmp_path, Replay(SEQUENCE, 900, 300, users))
        result = run(plan, tmp_path)
    found = objects(one.asked)
    assert len(found) == len(one.asked) == 900
    if users == 1:
        assert found == sequence(50, 900)
    assert sorted(found) == sorted(sequence(50, 900))
    assert (result.scheduled, result.completed, result.errors) == (600, 600, 0)
    assert result.tasks == ("book",)
    measured = result.samples[result.samples["phase"] == Phase.MEASURED]
    assert result.windows.window_begin_ns == measured["sent_ns"].min()
    assert result.windows.window_end_ns == measured["done_ns"].max()
    assert (measured["intended_ns"] == measured["sent_ns"]).all()
    counted = sequence(350, 600)
    if users == 1:
        assert result.cache_counts["hit"] == sum(number % 2 for number in counted)
        assert measured["bytes"].tolist() == [SIZES[number] for number in counted]
    assert set(result.samples["cache"]) == {Cache.HIT, Cache.MISS}
    assert result.generator_busy > 0


def test_a_replay_goes_on_after_answers_that_never_came(tmp_path: Path) -> None:
    def cut(asked: Asked) -> bytes:
        # The rest of it never comes: the client's limit ends it.
        return b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" if asked.target == "/0" else shelf(asked)

    with service(cut) as one:
        plan = replace(plan_for(one.port, tmp_path, Replay(SEQUENCE, 30)), timeout_s=0.2)
        result = run(plan, tmp_path)
    expected = np.array([number == 0 for number in sequence(50, 30)])
    assert 0 < expected.sum() < 15
    assert ((result.samples["outcome"] == Outcome.ERROR) == expected).all()
    assert result.completed == 30 - expected.sum()


@pytest.mark.parametrize(
    ("load", "told"),
    [
        (Replay(SEQUENCE, 1951), "2000 requests, and 2001 are needed"),
        (replace(OPEN, schedule=Schedule(5000, 0.5)), r"1950 requests after the first 50, the load 2\d{3}"),
    ],
)
def test_a_sequence_that_is_too_short_is_told_before_anything_is_asked(
    tmp_path: Path, load: OpenLoop | Replay, told: str
) -> None:
    with service(shelf) as one:
        plan = plan_for(one.port, tmp_path, load)
        with Generator(plan, HERE, tmp_path) as running, pytest.raises(LoadError, match=told):
            running.wait_ready()
    assert one.asked == []


def test_which_task_asks_for_an_object_must_be_known(tmp_path: Path) -> None:
    plan = plan_for(1, tmp_path, Replay(SEQUENCE, 3))
    locustfile(tmp_path, SOURCE.replace('object_task = "book"', ""))
    with Generator(plan, HERE, tmp_path) as running, pytest.raises(LoadError) as caught:
        running.wait_ready()
    assert "object_task" in caught.value.remedy


def test_plain_locust_wants_objects_of_the_catalogue_beside_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "shelf"
    (folder / "app").mkdir(parents=True)
    own = Path(__file__).parents[2] / "workloads" / "static" / "workload.toml"
    text = own.read_text().replace('name = "static"', 'name = "shelf"').replace("objects = 100_000", "objects = 30")
    (folder / "workload.toml").write_text(text)
    source = folder / "locustfile.py"
    source.write_text(textwrap.dedent(SOURCE).replace("len(answer.body) == size", "0 <= number < 30 and size > 0"))
    with service(lambda _: reply(200, "")) as one:
        ended = plain_locust(str(source), one.port, tmp_path, "-u", "2", "-t", "12s", "--exit-code-on-error", "7")
    assert ended.returncode == 0, ended.stderr
    assert len(set(objects(one.asked))) > 5
