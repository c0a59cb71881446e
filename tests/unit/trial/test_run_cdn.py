"""One attempt with regions, caches and sequences: what is recorded of them, and when it does not count."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.load.plan import LoadPlan
from harness.planning.plan import demand_of
from harness.records.cache import OriginCount
from harness.records.trial import TrialRecord
from harness.spec.service import Exchange
from harness.trial import load_plan
from harness.trial.run import run_attempt
from tests.support.fake_instruments import REQUESTS
from tests.support.fake_regions import SEQUENCE, FakeCache, FarInstruments, StillCore, cdn_bench
from tests.support.fake_sets import SetBench, SetTarget

pytestmark = pytest.mark.usefixtures("still_host")

REPLAY: dict[str, object] = {"load": {"replay": {"requests": REQUESTS}}, "sequences": {"zipf": SEQUENCE}}


@pytest.fixture(autouse=True)
def no_tail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events come at once after the window."""
    monkeypatch.setattr(load_plan, "TAIL_S", 0.0)


class Counting:
    """An origin that counts, and tells."""

    def __init__(self) -> None:
        self.requests = 5
        """Some were before the load."""

    def __call__(self, _method: str, path: str, _body: bytes) -> tuple[int, bytes]:
        told = {"requests": self.requests, "bytes": self.requests * 10}
        return 200, json.dumps(told).encode() if path == "/count" else b""

    def serve(self, _plan: LoadPlan) -> None:
        """What of the load comes to it."""
        self.requests += 3


def bench(path: Path, proxy: FakeCache | None = None, **changes: object) -> tuple[SetBench, SetTarget]:
    origin = Counting()
    target = SetTarget(answers={"origin": origin})
    made = cdn_bench(path, proxy, target, **changes)
    made.instruments.meanwhile = origin.serve
    return made, target


def attempt(made: SetBench) -> TrialRecord:
    trial = made.plan.trials[0]
    return run_attempt(trial, 1, demand_of(trial, {trial.level_name: 100.0}), made.setting)


def test_the_distances_the_core_the_origin_and_the_caches_are_kept(tmp_path: Path) -> None:
    made, target = bench(tmp_path / "c", FakeCache(tmp_path))
    record = attempt(made)
    assert (record.failure, record.invalid, record.valid) == (None, (), True)
    hosts = ["origin", "proxy-near", "proxy-far", "proxy-farther"]
    assert [each.name for each in record.instances] == hosts
    assert [each.role for each in record.instances] == ["service", "proxy", "proxy", "proxy"]
    assert [(rtt.region, rtt.host) for rtt in record.rtts] == [
        (region, host) for region in ("near", "far", "farther") for host in hosts
    ]
    assert record.backbone == StillCore().report()
    assert record.origin == OriginCount(requests=3, bytes=30)
    assert [cache.instance for cache in record.caches] == hosts[1:]
    assert record.replay is None
    assert target.running == []


def test_a_share_of_the_catalogue_is_part_of_the_variant(tmp_path: Path) -> None:
    made, _ = bench(
        tmp_path / "c", FakeCache(tmp_path), matrix={"cache_shares": [0.1]}, baseline="shop-fake-fakecache-10pc"
    )
    assert attempt(made).variant.cache_share == 0.1


def test_exchanges_pass_the_caches_by(tmp_path: Path) -> None:
    made, target = bench(tmp_path / "c", FakeCache(tmp_path))
    made.exchanges = (Exchange(path="/objects/1"),)
    record = attempt(made)
    assert list(record.responses) == ["GET /objects/1"]
    asked = {service.name: instance.logs() for service, instance in target.launched}
    assert "/objects/1" in asked["origin"]
    assert "/objects/1" not in asked[FakeCache.name]


@pytest.mark.parametrize(
    ("instruments", "reason"),
    [
        (FarInstruments(backbone=StillCore(dropped=2)), "the backbone between the regions dropped 2 packets, limit 0"),
        (
            FarInstruments(off_ms=2.0),
            "near is 12.00 ms from origin and back, asked 10 ms, limit 1.00 ms off",
        ),
    ],
)
def test_a_trial_whose_network_was_not_as_asked_does_not_count(
    tmp_path: Path, instruments: FarInstruments, reason: str
) -> None:
    made, _ = bench(tmp_path / "c", FakeCache(tmp_path))
    made.instruments = instruments
    record = attempt(made)
    assert (record.outcome, record.invalid) == ("ok", (reason,))


def test_a_killed_point_of_presence_is_told_by_its_name_and_the_origin_goes_on_counting(tmp_path: Path) -> None:
    events = [{"kind": "kill", "service": "proxy-far", "before_s": 0.01, "watch_s": 0.5}]
    made, target = bench(tmp_path / "c", FakeCache(tmp_path), events=events)
    record = attempt(made)
    assert (record.failure, record.valid) == (None, True)
    (event,) = record.events
    assert (event.service, event.instance, event.routes) == ("proxy-far", "proxy-far", ("/",))
    assert event.recovered_ns is not None
    assert record.origin == OriginCount(requests=3, bytes=30)
    assert target.running == []


def test_an_origin_that_died_has_forgotten_what_it_counted(tmp_path: Path) -> None:
    events = [{"kind": "kill", "service": "origin", "before_s": 0.01, "watch_s": 0.5, "again": False}]
    made, _ = bench(tmp_path / "c", FakeCache(tmp_path), events=events)
    record = attempt(made)
    assert (record.failure, record.valid, record.origin) == (None, True, None)
    assert [(event.instance, event.recovered_ns) for event in record.events] == [("origin", None)]


def test_a_replay_has_its_extent_and_no_rate(tmp_path: Path) -> None:
    made, _ = bench(tmp_path / "c", FakeCache(tmp_path), geography=None, **REPLAY)
    record = attempt(made)
    assert (record.failure, record.invalid, record.level) == (None, (), "zipf")
    assert record.replay is not None
    assert (record.replay.sequence, record.replay.requests, record.replay.warmup) == ("zipf", REQUESTS, 0)
    assert record.load is not None
    assert (record.load.target_rps, record.load.completed) == (0.0, REQUESTS)
    assert record.load.window_begin_ns == record.replay.window_begin_ns < record.replay.window_end_ns
    assert (record.cpu, record.rtts, record.backbone) == (None, (), None)
    assert record.memory_load is not None
    assert record.noise is not None
    assert record.origin == OriginCount(requests=3, bytes=30)


def test_a_replays_campaign_has_levels_without_rates_and_a_floor(tmp_path: Path) -> None:
    made, _ = bench(tmp_path / "c", FakeCache(tmp_path), geography=None, **REPLAY)
    told = made.run()
    assert [record.valid for record in told.records] == [True, True]
    levels = made.folder.levels()
    assert levels is not None
    assert levels.rates_rps == {}
    assert made.floors == [100.0]
    assert made.run().records == []
