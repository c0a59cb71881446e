"""What target ``swarm`` has made is undone, whichever call the engine refuses; the engine is a fake."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import APIError

from harness.clock import Stopwatch
from harness.errors import DeployError
from harness.targets.swarm import target as swarm
from harness.targets.swarm import watch as swarm_watch
from harness.targets.swarm.target import SwarmTarget
from tests.unit.targets.swarm.test_places import place
from tests.unit.targets.vm.vm_service import service

AT = replace(place(16), bridge="tarex", gateway=IPv4Address("198.18.0.1"))
NETWORKS = ["remove_network tare-x-svc", "remove_network tare-x-svc-config"]


class Stream:
    """The engine's events: there are none."""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(())

    def close(self) -> None:
        pass


class Engine:
    """In a swarm. Refuses the call ``refused``. ``told``: the calls, in order."""

    api_version, base_url, timeout = "1.41", "http://engine", 60

    def __init__(self, refused: str = "") -> None:
        self.refused = refused
        self.told: list[str] = []

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        self.told.append("close")

    def _asked(self, call: str) -> None:
        self.told.append(call)
        if call == self.refused:
            raise APIError("500 Server Error", explanation=f"{call} is not possible")

    def info(self) -> dict[str, Any]:
        return {"Swarm": {"LocalNodeState": "active", "ControlAvailable": True, "NodeID": "node"}}

    def networks(self) -> list[dict[str, Any]]:
        return []

    def containers(self, **_which: object) -> list[dict[str, Any]]:
        return []

    def post(self, _url: str, json: dict[str, Any], timeout: int) -> SimpleNamespace:
        assert timeout == self.timeout
        self._asked(f"create_network {json['Name']}")
        return SimpleNamespace(raise_for_status=lambda: None)

    def remove_network(self, name: str) -> None:
        self._asked(f"remove_network {name}")

    def events(self, **_which: object) -> Stream:
        self._asked("events")
        return Stream()

    def create_service(self, *_task: object, **_settings: object) -> None:
        self._asked("create_service")

    def remove_service(self, _name: str) -> None:
        self._asked("remove_service")

    def ping(self) -> None:
        pass


def of(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> SwarmTarget:
    monkeypatch.setattr(swarm, "client", lambda: engine)
    monkeypatch.setattr(swarm_watch, "client", lambda: engine)
    return SwarmTarget()


@pytest.mark.parametrize("call", ["create_network tare-x-svc-config", "create_network tare-x-svc", "events"])
def test_a_call_that_is_refused_fails_the_staging(call: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    engine = Engine(call)
    with pytest.raises(DeployError, match=f"{call} is not possible"):
        of(engine, monkeypatch).stage(service(), AT, tmp_path)
    assert [each for each in engine.told if each.startswith("remove")] == NETWORKS
    assert engine.told[-1] == "close"


def test_what_is_staged_and_never_started_is_the_networks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    engine = Engine()
    with of(engine, monkeypatch).stage(service(), AT, tmp_path):
        assert engine.told == ["create_network tare-x-svc-config", "create_network tare-x-svc", "events"]
    assert engine.told[3:] == ["close", *NETWORKS, "close"]


def test_a_service_that_is_refused_fails_the_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    engine = Engine("create_service")
    clock = Stopwatch()
    with of(engine, monkeypatch).stage(service(), AT, tmp_path) as staged:
        with pytest.raises(DeployError, match="create_service is not possible"):
            staged.start(clock)
        assert engine.told[3:] == ["create_service", "remove_service", "close", *NETWORKS, "close"]
    assert clock.phases() == {}


def test_a_removal_that_is_refused_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    engine = Engine("remove_network tare-x-svc")
    with (
        pytest.raises(DeployError, match="tare-x-svc could not be removed: remove_network tare-x-svc is not possible"),
        of(engine, monkeypatch).stage(service(), AT, tmp_path),
    ):
        pass
