"""When an orchestrated instance is alive, by an engine that makes its tasks as late as one likes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import docker
import pytest
from docker.errors import NotFound

from harness.clock import Stopwatch
from harness.targets.swarm import watch as swarm_watch
from harness.targets.swarm.instance import SwarmInstance
from harness.targets.swarm.service import LABEL
from harness.targets.swarm.watch import SwarmWatch
from tests.unit.targets.swarm.test_places import place
from tests.unit.targets.vm.vm_service import service


class Engine:
    """Answers what an instance asks about its service; ``desired``: the state of each task by its number."""

    def __init__(self) -> None:
        self.desired = ["running"]
        self.wanted = 1

        self.printed: dict[str, str] = {}
        """By container; the engine lists those that are not removed, in this order."""

    def containers(self, *, all: bool, filters: object) -> list[dict[str, Any]]:
        assert all
        assert filters == {"label": f"{LABEL}=tare-x-svc"}
        return [{"Id": name, "Created": at} for at, name in enumerate(self.printed)]

    def logs(self, container: str) -> bytes:
        return self.printed[container].encode()

    def tasks(self, filters: object) -> list[dict[str, Any]]:
        assert filters == {"service": "tare-x-svc"}
        return [
            {"ID": str(at), "CreatedAt": str(at), "DesiredState": state, "Status": {"State": "new"}}
            for at, state in enumerate(self.desired)
        ]

    def inspect_service(self, name: str) -> dict[str, Any]:
        assert name == "tare-x-svc"
        return {"Version": {"Index": 1}, "Spec": {"Name": name, "Labels": {}, "TaskTemplate": {}, "UpdateConfig": {}}}

    def update_service(self, *_args: object, mode: Any, **_kwargs: object) -> None:
        self.wanted = mode["Replicated"]["Replicas"]


class Watch:
    """No replica has a process here."""

    def __init__(self) -> None:
        self.clock = Stopwatch()
        self.final_logs: dict[str, str] = {}

    def replicas(self) -> list[tuple[str, int]]:
        return []


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def instance(engine: Engine, watch: Watch, tmp_path: Path) -> SwarmInstance:
    api, its_watch = cast(docker.APIClient, engine), cast(SwarmWatch, watch)
    return SwarmInstance(api, service(), place(16), its_watch, tmp_path)


def test_it_is_alive_until_the_orchestrator_gives_it_up(engine: Engine, instance: SwarmInstance) -> None:
    assert instance.alive()
    engine.desired = ["shutdown", "ready"]
    assert instance.alive()
    engine.desired = ["shutdown", "shutdown"]
    assert not instance.alive()


def test_started_again_it_is_alive_before_it_has_a_task(engine: Engine, instance: SwarmInstance) -> None:
    instance.terminate(0)
    engine.desired = ["shutdown"]
    assert not instance.alive()
    instance.restart(Stopwatch())
    assert engine.wanted == 1
    assert instance.alive(), "what it was before tells nothing about what it is now"
    engine.desired = ["shutdown", "running"]
    assert instance.alive()
    engine.desired = ["shutdown", "shutdown"]
    assert not instance.alive(), "given up again"


def test_its_log_keeps_what_a_removed_replica_had_printed(
    engine: Engine, watch: Watch, instance: SwarmInstance
) -> None:
    engine.printed = {"b": "second, killed\n", "c": "third\n"}
    watch.final_logs = {"a": "first, scaled away\n"}
    assert instance.logs() == "first, scaled away\nsecond, killed\nthird"


class Events:
    """The engine's stream of them, which ends."""

    def __init__(self, *events: tuple[str, str]) -> None:
        self._events = events

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter({"Actor": {"ID": name}, "Action": action} for name, action in self._events)

    def close(self) -> None:
        pass


def test_the_watch_keeps_the_final_logs_of_a_replica_that_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    class Told(Engine):
        def events(self, **_wanted: object) -> Events:
            return Events(("a", "die"), ("gone", "die"))

        def logs(self, container: str) -> bytes:
            if container == "gone":
                raise NotFound("no such container")
            return b"the end\n"

        def close(self) -> None:
            pass

    monkeypatch.setattr(swarm_watch, "client", Told)
    watch = SwarmWatch(service(), "tare-x-svc", lambda _found: None)
    watch.close()
    assert watch.final_logs == {"a": "the end\n"}
