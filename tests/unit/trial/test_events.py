"""Events on instances: the act, what is down meanwhile, and the first correct answer afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from harness.clock import NS_PER_MS, NS_PER_S, Stopwatch, now_ns
from harness.errors import DeployError
from harness.records.trial import EventRecord
from harness.trial.arrangement import lay_out
from harness.trial.events import EventContext, run_events
from harness.trial.launch import deploy
from tests.support.fake_instances import Refused
from tests.support.fake_sets import SetBench, SetTarget, WideLab, chain, set_bench
from tests.support.fakes import FakeInstance

BEFORE_S, WATCH_S = 0.02, 0.5


class Unwilling(FakeInstance):
    """Does not start again."""

    def _restart(self, clock: Stopwatch) -> None:  # noqa: ARG002 - it never gets so far
        raise DeployError("The fake engine refused to start it again.", "Ask it why.")


class Broken(FakeInstance):
    """Starts again and never answers."""

    def _restart(self, clock: Stopwatch) -> None:
        """It stays down."""


class Orderly(FakeInstance):
    """Its log says how it was ended."""

    def kill(self) -> None:
        self._lines.append("killed")
        super().kill()

    def terminate(self, grace_s: float = 10.0) -> None:
        self._lines.append("asked to end")
        super().terminate(grace_s)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as found:
        yield found


def on_stage(made: SetBench, stack: ExitStack, *, replicas: int = 1) -> EventContext:
    lab = WideLab("tare-x")
    layout = lay_out(replace(made.variant, replicas=replicas), made.setting, lab, made.path)
    deployment, _ = deploy(layout, made.setting, lab, made.path, stack, [])
    return EventContext(deployment, made.setting, lab, stack)


def eventful(
    folder: Path, target: SetTarget, *events: Mapping[str, object], **members: Mapping[str, object]
) -> SetBench:
    """A bench whose deployments meet these events, each watched shortly."""
    watched = [{"before_s": BEFORE_S, "watch_s": WATCH_S, **event} for event in events]
    return set_bench(folder, target, events=watched, members=chain(**members))


def told_of(made: SetBench, stage: EventContext, begin_ns: int | None = None) -> list[EventRecord]:
    told: list[EventRecord] = []
    run_events(made.spec.events, now_ns() if begin_ns is None else begin_ns, stage, told)
    return told


@pytest.mark.parametrize("kind", ["kill", "restart"])
def test_what_was_ended_comes_back_and_the_moment_is_told(tmp_path: Path, stack: ExitStack, kind: str) -> None:
    target = SetTarget({"payments": Orderly})
    made = eventful(tmp_path / "c", target, {"kind": kind, "route": "/pay/1", "down_s": 0.05})
    stage = on_stage(made, stack)
    begin_ns = now_ns()
    (told,) = told_of(made, stage, begin_ns)
    assert (told.kind, told.service, told.instance, told.routes, told.note) == (
        kind, "payments", "payments", ("/pay",), "",
    )  # fmt: skip
    assert told.recovered_ns is not None
    assert told.watched_from_ns == begin_ns
    assert told.watched_until_ns == begin_ns + round((BEFORE_S + WATCH_S) * NS_PER_S)
    assert begin_ns + BEFORE_S * NS_PER_S <= told.begin_ns
    assert told.begin_ns + 50 * NS_PER_MS <= told.done_ns <= told.recovered_ns <= told.watched_until_ns
    assert ("asked to end" in target.instance("payments").logs()) == (kind == "restart")
    assert stage.deployment.dead() == []


def test_a_new_version_takes_the_place_of_the_old_one(tmp_path: Path, stack: ExitStack) -> None:
    target = SetTarget()
    event = {"kind": "replace", "service": "catalog"}
    following = {"env": {"VERSION": "1", "COLOUR": "red"}, "next": {"VERSION": "2", "BROKER": "${broker.host}"}}
    made = eventful(tmp_path / "c", target, event, catalog=following)
    stage = on_stage(made, stack)
    old, watch = stage.deployment.of("catalog").instance, stage.deployment.of("catalog").watch
    (told,) = told_of(made, stage)
    run = stage.deployment.of("catalog")
    assert told.recovered_ns is not None
    assert not old.alive()
    assert run.instance is target.instance("catalog") is not old
    assert run.watch is not watch
    before, after = (dict(service.env) for service, _ in target.launched if service.name == "catalog")
    broker = str(stage.deployment.of("broker").place.at.ip)
    assert after == {**before, "VERSION": "2", "BROKER": broker}
    assert run.instance.address == old.address
    stack.close()
    assert target.running == []


def test_a_replica_is_told_by_its_instance_and_the_others_go_on(tmp_path: Path, stack: ExitStack) -> None:
    target = SetTarget()
    made = eventful(tmp_path / "c", target, {"kind": "kill", "service": "catalog", "replica": 2, "again": False})
    stage = on_stage(made, stack, replicas=2)
    (told,) = told_of(made, stage)
    assert (told.instance, told.service, told.routes) == ("catalog-2", "catalog", ("/",))
    assert [run.name for run in stage.deployment.dead()] == ["catalog-2"]


def test_what_shall_stay_down_has_no_recovery(tmp_path: Path, stack: ExitStack) -> None:
    made = eventful(tmp_path / "c", SetTarget(), {"kind": "kill", "service": "broker", "again": False})
    stage = on_stage(made, stack)
    (told,) = told_of(made, stage)
    assert (told.recovered_ns, told.note, told.routes) == (None, "it stays down", ())
    assert [run.name for run in stage.deployment.dead()] == ["broker"]


def test_what_does_not_come_back_in_time_says_what_was_seen_and_the_next_event_follows(
    tmp_path: Path, stack: ExitStack
) -> None:
    target = SetTarget({"broker": Broken})
    made = eventful(
        tmp_path / "c", target, {"kind": "restart", "service": "broker"}, {"kind": "kill", "service": "catalog"}
    )
    first, second = told_of(made, on_stage(made, stack))
    assert first.recovered_ns is None
    assert first.note == "The fake service gave no correct response."
    assert first.begin_ns <= first.done_ns <= first.watched_until_ns == second.watched_from_ns
    assert second.recovered_ns is not None
    assert second.begin_ns >= second.watched_from_ns + BEFORE_S * NS_PER_S


def test_a_start_that_is_refused_fails_and_what_was_told_before_stays(tmp_path: Path, stack: ExitStack) -> None:
    target = SetTarget({"payments": Unwilling})
    made = eventful(
        tmp_path / "c", target, {"kind": "kill", "service": "catalog"}, {"kind": "kill", "service": "payments"}
    )
    told: list[EventRecord] = []
    with pytest.raises(DeployError, match="refused to start it again"):
        run_events(made.spec.events, now_ns(), on_stage(made, stack), told)
    assert [event.service for event in told] == ["catalog"]


def test_a_new_version_that_cannot_be_launched_fails(tmp_path: Path, stack: ExitStack) -> None:
    target = SetTarget()
    made = eventful(tmp_path / "c", target, {"kind": "replace", "service": "catalog"})
    stage = on_stage(made, stack)
    target.kinds["catalog"] = Refused
    with pytest.raises(DeployError, match="The fake engine refused"):
        told_of(made, stage)
    assert (target.running, target.staged) == (["broker", "payments"], set())


@pytest.mark.parametrize(
    ("event", "what", "remedy"),
    [
        ({"kind": "kill", "service": "catalog", "replica": 3}, "there is no replica 3 of it", "Correct the event"),
        ({"kind": "scale", "service": "catalog", "replicas": 3}, "fake does not scale catalog", 'targets = ["swarm"]'),
    ],
)
def test_what_cannot_happen_there_is_refused(
    tmp_path: Path, stack: ExitStack, event: dict[str, object], what: str, remedy: str
) -> None:
    made = eventful(tmp_path / "c", SetTarget(), event)
    stage = on_stage(made, stack)
    with pytest.raises(DeployError) as caught:
        told_of(made, stage)
    assert what in caught.value.what
    assert remedy in caught.value.remedy
    assert stage.deployment.dead() == []


def test_each_event_has_its_slot_of_time(tmp_path: Path, stack: ExitStack) -> None:
    made = eventful(tmp_path / "c", SetTarget(), *({"kind": "kill", "service": "catalog"},) * 3)
    told = told_of(made, on_stage(made, stack))
    assert [each.watched_from_ns for each in told[1:]] == [each.watched_until_ns for each in told[:-1]]
    assert {each.watched_until_ns - each.watched_from_ns for each in told} == {round((BEFORE_S + WATCH_S) * NS_PER_S)}
    assert all(each.recovered_ns is not None for each in told)
