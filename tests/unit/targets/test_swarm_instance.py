"""When an orchestrated instance is alive, by an engine that makes its tasks as late as one likes."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import docker
import pytest

from harness.clock import Stopwatch
from harness.targets.swarm_instance import SwarmInstance
from harness.targets.swarm_watch import SwarmWatch
from tests.unit.targets.test_swarm_places import place
from tests.unit.targets.vm_service import service


class Engine:
    """Answers what an instance asks about its service; ``desired``: the state of each task by its number."""

    def __init__(self) -> None:
        self.desired = ["running"]
        self.wanted = 1

    def tasks(self, filters: object) -> list[dict[str, Any]]:
        assert filters == {"service": "tare-x-svc"}
        return [{"ID": str(at), "CreatedAt": str(at), "DesiredState": state} for at, state in enumerate(self.desired)]

    def inspect_service(self, name: str) -> dict[str, Any]:
        assert name == "tare-x-svc"
        return {"Version": {"Index": 1}, "Spec": {"Name": name, "Labels": {}, "TaskTemplate": {}, "UpdateConfig": {}}}

    def update_service(self, *_args: object, mode: Any, **_kwargs: object) -> None:
        self.wanted = mode["Replicated"]["Replicas"]


class Watch:
    """No replica has a process here."""

    def __init__(self) -> None:
        self.clock = Stopwatch()

    def replicas(self) -> list[tuple[str, int]]:
        return []


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def instance(engine: Engine, tmp_path: Path) -> SwarmInstance:
    api, watch = cast(docker.APIClient, engine), cast(SwarmWatch, Watch())
    return SwarmInstance(api, service(), place(16), watch, tmp_path, ExitStack())


def test_it_is_alive_until_the_orchestrator_gives_it_up(engine: Engine, instance: SwarmInstance) -> None:
    assert instance.alive()
    engine.desired = ["shutdown", "ready"]
    assert instance.alive()
    engine.desired = ["shutdown", "shutdown"]
    assert not instance.alive()


def test_started_again_it_is_alive_before_it_has_a_task(engine: Engine, instance: SwarmInstance) -> None:
    instance.end(0)
    engine.desired = ["shutdown"]
    assert not instance.alive()
    instance.start_again(Stopwatch())
    assert engine.wanted == 1
    assert instance.alive(), "what it was before tells nothing about what it is now"
    engine.desired = ["shutdown", "running"]
    assert instance.alive()
    engine.desired = ["shutdown", "shutdown"]
    assert not instance.alive(), "given up again"
