"""What target ``container`` has made is undone, whichever call the engine refuses; the engine is a fake."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest
from docker.errors import APIError
from requests.exceptions import ConnectionError as NoConnection

from harness.clock import Stopwatch
from harness.errors import DeployError
from harness.lab.api import LabAddress
from harness.targets.docker import target as container
from harness.targets.docker.target import ContainerTarget
from tests.unit.targets.vm.vm_service import service

AT = LabAddress(
    prefix="tare-x-svc",
    ip=IPv4Address("10.0.0.10"),
    lab="tare-x",
    bridge="tarex",
    network=IPv4Network("10.0.0.0/24"),
    gateway=IPv4Address("10.0.0.1"),
    mac="02:42:0a:00:00:0a",
)


class Engine:
    """Refuses the calls of those names, or answers none from ``gone`` on. ``told``: the calls, in order."""

    api_version = "1.41"

    def __init__(self, *refused: str, gone: str = "") -> None:
        self.refused = refused
        self.gone = gone
        self.told: list[str] = []

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.told.append("close")

    def _asked(self, call: str) -> None:
        self.told.append(call)
        if self.gone in self.told:
            raise NoConnection("connection refused")
        if call in self.refused:
            raise APIError("500 Server Error", explanation=f"{call} is not possible")

    def networks(self, names: list[str]) -> list[dict[str, Any]]:
        assert names == ["tare-x-net"]
        return []

    def create_host_config(self, **_settings: object) -> dict[str, Any]:
        return {}

    def create_network(self, *_name: str, **_settings: object) -> None:
        self._asked("create_network")

    def remove_network(self, _name: str) -> None:
        self._asked("remove_network")

    def create_container(self, **_settings: object) -> dict[str, Any]:
        self._asked("create_container")
        return {"Id": "c0ffee"}

    def start(self, _container: str) -> None:
        self._asked("start")

    def inspect_container(self, _container: str) -> dict[str, Any]:
        self._asked("inspect_container")
        return {"State": {"Pid": 1, "Running": True}}

    def logs(self, _container: str) -> bytes:
        self._asked("logs")
        return b"the service's last line\n"

    def ping(self) -> None:
        self._asked("ping")

    def remove_container(self, _name: str, *, v: bool, force: bool) -> None:
        assert v
        assert force
        self._asked("remove_container")


def of(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> ContainerTarget:
    monkeypatch.setattr(container, "client", lambda: engine)
    monkeypatch.setattr(container, "end_processes_of", lambda name: engine.told.append(f"ended {name}"))
    return ContainerTarget()


def test_a_network_that_is_refused_fails_the_staging(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    engine = Engine("create_network")
    with pytest.raises(DeployError, match="create_network is not possible"):
        of(engine, monkeypatch).stage(service(), AT, tmp_path)
    assert engine.told == ["create_network", "remove_network", "close"]


def test_what_is_staged_and_never_started_is_the_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    engine = Engine()
    with of(engine, monkeypatch).stage(service(), AT, tmp_path):
        assert engine.told == ["create_network"]
    assert engine.told == ["create_network", "remove_network", "close"]


@pytest.mark.parametrize("call", ["create_container", "start", "inspect_container"])
def test_a_call_that_is_refused_fails_the_start(call: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    engine = Engine(call)
    with of(engine, monkeypatch).stage(service(), AT, tmp_path) as staged:
        with pytest.raises(DeployError, match=f"{call} is not possible") as caught:
            staged.start(Stopwatch())
        assert engine.told[-3:] == ["remove_container", "remove_network", "close"]
        calls = list(engine.told)
    assert engine.told == calls, "nothing is undone twice"
    assert caught.value.notes == (() if call == "create_container" else ("the service's last line",))


def test_an_engine_that_has_gone_leaves_no_processes_and_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    engine = Engine(gone="start")
    told = "The engine does not answer: the processes of container tare-x-svc were ended without it"
    with of(engine, monkeypatch).stage(service(), AT, tmp_path) as staged, pytest.raises(DeployError, match=told):
        staged.start(Stopwatch())
    assert "ended c0ffee" in engine.told


def test_an_engine_that_has_gone_since_the_staging_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    engine = Engine(gone="remove_network")
    with (
        pytest.raises(DeployError, match="Network tare-x-net could not be removed"),
        of(engine, monkeypatch).stage(service(), AT, tmp_path),
    ):
        pass


def test_a_network_that_others_are_on_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Shared(Engine):
        def remove_network(self, _name: str) -> None:
            response = type("Response", (), {"status_code": 403})()
            raise APIError("403 Client Error", response=response)

    engine = Shared()
    with of(engine, monkeypatch).stage(service(), AT, tmp_path):
        pass
    assert engine.told == ["create_network", "close"]
