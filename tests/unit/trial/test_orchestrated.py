"""Events where an orchestrator keeps the replicas: it heals, scales and replaces, and is asked until all answer."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from harness.clock import Stopwatch, now_ns
from harness.lab.api import LabAddress
from harness.records.trial import EventRecord
from harness.targets.api import InstanceProcess, Service
from harness.targets.orchestrated import Orchestrated
from harness.trial.arrangement import lay_out
from harness.trial.events import EventContext, run_events
from harness.trial.launch import deploy
from tests.support.fake_sets import SetBench, SetTarget, WideLab, set_bench
from tests.support.fakes import Answer, FakeInstance


class Kept(FakeInstance, Orchestrated):
    """Replicas are threads at the instance's places; each shim has a made-up pid of its own."""

    def __init__(self, service: Service, at: LabAddress, answer: Answer) -> None:
        self._service, self._given = service, answer
        self._next_pid = 1_000_000_000
        self._replicas: list[tuple[int, FakeInstance]] = []
        self.asked: list[str] = []
        super().__init__(service, at, answer)
        self._fill(service.replicas)

    def _serve(self) -> None:
        """The replicas do."""
        self._down = False

    def _fill(self, count: int) -> None:
        for _, surplus in self._replicas[count:]:
            surplus.stop()
        del self._replicas[count:]
        taken = {replica.address.ip for _, replica in self._replicas}
        for at in self.places():
            if len(self._replicas) < count and at.ip not in taken:
                self._next_pid += 1
                self._replicas.append((self._next_pid, FakeInstance(self._service, at, self._given)))

    def processes(self) -> Sequence[InstanceProcess]:
        shims = tuple(InstanceProcess(pid, "shim", "shim") for pid, _ in self._replicas)
        return (*shims, InstanceProcess(os.getpid(), "app", "fake"))

    def _kill(self) -> None:
        if self._replicas and not self._stopped:
            self.asked.append("kill")
            self._replicas.pop(0)[1].stop()
            self._fill(self._service.replicas)

    def _terminate(self, grace_s: float) -> None:  # noqa: ARG002 - it takes no time
        self.asked.append("terminate")
        self._down = True
        self._fill(0)

    def _restart(self, clock: Stopwatch) -> None:  # noqa: ARG002 - it has no phases
        self.asked.append("restart")
        self._down = False
        self._fill(self._service.replicas)

    def scale(self, replicas: int) -> None:
        self.asked.append(f"scale to {replicas}")
        self._fill(replicas)

    def replace(self, env: Mapping[str, str]) -> None:
        self.asked.append(f"replace with {dict(env)}")
        self._fill(0)
        self._fill(self._service.replicas)

    def places(self) -> tuple[LabAddress, ...]:
        return (self.address, *self.address.spares)

    def replicas(self) -> int:
        return len(self._replicas)

    def _stop(self) -> None:
        self._stopped = self._down = True
        self._fill(0)


class Lazy(Kept):
    """It agrees to everything and does nothing."""

    def scale(self, replicas: int) -> None:
        self.asked.append(f"scale to {replicas}")


class Mute(Kept):
    """A replica that it adds does not answer."""

    def scale(self, replicas: int) -> None:
        super().scale(replicas)
        self._replicas[-1][1].kill()


class Orchestra(SetTarget):
    name = "swarm"
    orchestrates = True


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as found:
        yield found


def staged(
    folder: Path, stack: ExitStack, kind: type[Kept], event: dict[str, object]
) -> tuple[SetBench, EventContext, Kept]:
    """Two replicas of the catalog, which meets that event."""
    target = Orchestra({"catalog": kind}, name="swarm")
    timed = {"service": "catalog", "before_s": 0.01, "watch_s": 0.5, **event}
    made = set_bench(folder, target, events=[timed])
    lab = WideLab("tare-x")
    layout = lay_out(replace(made.variant, replicas=2), made.setting, lab, made.path)
    deployment, _ = deploy(layout, made.setting, lab, made.path, stack, [])
    instance = deployment.of("catalog").instance
    assert isinstance(instance, Kept)
    return made, EventContext(deployment, made.setting, lab, stack), instance


def told_of(made: SetBench, stage: EventContext) -> EventRecord:
    told: list[EventRecord] = []
    run_events(made.spec.events, now_ns(), stage, told)
    (event,) = told
    return event


@pytest.mark.parametrize(
    ("event", "asked", "replicas"),
    [
        ({"kind": "kill"}, ["kill"], 2),
        ({"kind": "restart", "down_s": 0.05}, ["terminate", "restart"], 2),
        ({"kind": "scale", "replicas": 4}, ["scale to 4"], 4),
        ({"kind": "scale", "replicas": 1}, ["scale to 1"], 1),
        ({"kind": "replace"}, ["replace with {}"], 2),
    ],
)
def test_the_orchestrator_is_asked_and_recovery_is_when_all_answer(
    tmp_path: Path, stack: ExitStack, event: dict[str, object], asked: list[str], replicas: int
) -> None:
    made, stage, kept = staged(tmp_path / "c", stack, Kept, event)
    told = told_of(made, stage)
    assert kept.asked == asked
    assert (told.kind, told.service, told.note) == (event["kind"], "catalog", "")
    assert told.recovered_ns is not None
    assert told.begin_ns <= told.done_ns <= told.recovered_ns
    assert kept.replicas() == replicas == stage.deployment.of("catalog").place.service.replicas
    stack.close()
    assert kept.replicas() == 0


def test_replicas_that_do_not_come_are_counted_when_the_watch_ends(tmp_path: Path, stack: ExitStack) -> None:
    made, stage, _ = staged(tmp_path / "c", stack, Lazy, {"kind": "scale", "replicas": 3})
    told = told_of(made, stage)
    assert (told.recovered_ns, told.note) == (None, "2 of 3 replicas ran when the watch ended")


def test_replicas_that_run_and_do_not_answer_are_no_recovery(tmp_path: Path, stack: ExitStack) -> None:
    made, stage, _ = staged(tmp_path / "c", stack, Mute, {"kind": "scale", "replicas": 3})
    told = told_of(made, stage)
    assert (told.recovered_ns, told.note) == (None, "2 of 3 replicas answered when the watch ended")
