"""Stage and start: t0 lies between them, and whatever fails or is never started is undone."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from harness.clock import Stopwatch, now_ns
from harness.errors import DeployError
from harness.lab.api import LabAddress
from harness.runtime.signals import Interrupted
from harness.targets.api import Instance, Service, Staged
from tests.support.fake_campaign import free_port
from tests.support.fakes import FakeInstance, FakeTarget, healthy
from tests.unit.targets.vm.vm_service import service as any_service

AT = LabAddress(prefix="tare-unit-svc", ip=IPv4Address("127.0.0.1"))


class Traced(FakeTarget):
    """``told``: what was done and undone, in order. ``at_ns``: when the two steps came. ``fail``: raised by a step."""

    def __init__(
        self, fail: Callable[[str], None] = lambda _step: None, kind: type[FakeInstance] = FakeInstance
    ) -> None:
        super().__init__()
        self.told: list[str] = []
        self.at_ns: dict[str, int] = {}
        self.fail = fail
        self.kind = kind

    def _stage(self, service: Service, at: LabAddress, _scratch: Path, undo: ExitStack) -> Staged:
        self.make("network", undo)
        self.make("root", undo)
        self.came("stage")
        return StagedTraced(service, at, self, undo)

    def make(self, thing: str, undo: ExitStack) -> None:
        self.told.append(f"+{thing}")
        undo.callback(self.told.append, f"-{thing}")

    def came(self, step: str) -> None:
        self.at_ns[step] = now_ns()
        self.fail(step)


class StagedTraced(Staged):
    def __init__(self, service: Service, at: LabAddress, target: Traced, undo: ExitStack) -> None:
        super().__init__(at, undo)
        self._service = service
        self._target = target

    def _start(self, clock: Stopwatch) -> Instance:
        assert clock.started
        self._target.came("start")
        self._target.make("container", self._undo)
        self._target.came("container")
        return self._target.kind(self._service, self.address, healthy)

    def _logs(self) -> str:
        return "its last line\n" if "+container" in self._target.told else ""


class Slow(FakeInstance):
    """``at_ns``: when the steps of a restart came."""

    def __init__(self, *arguments: object) -> None:
        self.at_ns: dict[str, int] = {}
        self.told: list[str] = []
        super().__init__(*arguments)  # type: ignore[arg-type]  # the same

    def _stage_again(self, until_started: ExitStack) -> None:
        until_started.callback(self.told.append, "let go")
        self.at_ns["stage"] = now_ns()

    def _restart(self, clock: Stopwatch) -> None:
        assert self.told == []
        self.at_ns["restart"] = now_ns()
        super()._restart(clock)


def refusing(step: str, error: BaseException) -> Callable[[str], None]:
    def fail(came: str) -> None:
        if came == step:
            raise error

    return fail


@pytest.fixture
def service() -> Service:
    made = any_service()
    return replace(made, argv=("true",), port=free_port())


def test_t0_comes_after_all_of_the_staging_and_before_anything_of_the_start(service: Service, tmp_path: Path) -> None:
    target, clock = Traced(), Stopwatch()
    with target.stage(service, AT, tmp_path) as staged:
        asked_ns = now_ns()
        assert target.told == ["+network", "+root"]
        with staged.start(clock):
            assert target.at_ns["stage"] < asked_ns < clock.trigger_ns < target.at_ns["start"]


def test_what_was_started_is_the_instances_to_remove(service: Service, tmp_path: Path) -> None:
    target = Traced()
    with target.stage(service, AT, tmp_path) as staged:
        instance = staged.start(Stopwatch())
    staged.close()
    made = ["+network", "+root", "+container"]
    assert target.told == made
    instance.stop()
    instance.stop()
    assert target.told == [*made, "-container", "-root", "-network"]


def test_what_is_never_started_is_undone_once(service: Service, tmp_path: Path) -> None:
    target = Traced()
    with target.stage(service, AT, tmp_path) as staged:
        pass
    staged.close()
    assert target.told == ["+network", "+root", "-root", "-network"]
    with pytest.raises(RuntimeError, match="one start"):
        staged.start(Stopwatch())


@pytest.mark.parametrize("error", [DeployError("no room", "make some"), OSError(28, "full"), Interrupted()])
def test_a_staging_that_fails_is_undone(service: Service, tmp_path: Path, error: BaseException) -> None:
    target = Traced(refusing("stage", error))
    with pytest.raises(type(error)):
        target.stage(service, AT, tmp_path)
    assert target.told == ["+network", "+root", "-root", "-network"]


@pytest.mark.parametrize("error", [DeployError("refused", "ask it why"), OSError(28, "full"), Interrupted()])
@pytest.mark.parametrize("step", ["start", "container"])
def test_a_start_that_fails_is_undone_at_once_with_what_was_staged(
    service: Service, tmp_path: Path, step: str, error: BaseException
) -> None:
    target = Traced(refusing(step, error))
    with target.stage(service, AT, tmp_path) as staged:
        with pytest.raises(type(error)):
            staged.start(Stopwatch())
        made = ["+network", "+root"] if step == "start" else ["+network", "+root", "+container"]
        undone = [f"-{each[1:]}" for each in reversed(made)]
        assert target.told == [*made, *undone]
    assert target.told == [*made, *undone]


def test_a_start_that_fails_tells_what_there_is_of_logs(service: Service, tmp_path: Path) -> None:
    for step, notes in (("start", ()), ("container", ("its last line",))):
        target = Traced(refusing(step, DeployError("refused", "ask it why")))
        with target.stage(service, AT, tmp_path) as staged, pytest.raises(DeployError) as caught:
            staged.start(Stopwatch())
        assert caught.value.notes == notes


def test_an_undoing_that_fails_is_told_and_the_rest_is_undone(service: Service, tmp_path: Path) -> None:
    class Stubborn(Traced):
        def _stage(self, service: Service, at: LabAddress, scratch: Path, undo: ExitStack) -> Staged:
            staged = super()._stage(service, at, scratch, undo)
            undo.callback(refusing("link", DeployError("its link cannot be removed", "tare sweep")), "link")
            return staged

    target = Stubborn()
    with pytest.raises(DeployError, match="its link cannot be removed"), target.stage(service, AT, tmp_path):
        pass
    assert target.told == ["+network", "+root", "-root", "-network"]


def test_only_an_orchestrating_target_stages_replicas(service: Service, tmp_path: Path) -> None:
    target = Traced()
    two = replace(service, replicas=2)
    with pytest.raises(DeployError, match="one instance, not 2 replicas"):
        target.stage(two, AT, tmp_path)
    assert target.told == []
    target.orchestrates = True
    with target.stage(two, AT, tmp_path):
        assert target.told == ["+network", "+root"]


def test_t0_of_a_restart_comes_after_what_is_staged_again(service: Service, tmp_path: Path) -> None:
    with Traced(kind=Slow).stage(service, AT, tmp_path) as staged, staged.start(Stopwatch()) as instance:
        assert isinstance(instance, Slow)
        with pytest.raises(DeployError, match="still runs"):
            instance.restart(Stopwatch())
        instance.terminate()
        clock = Stopwatch()
        instance.restart(clock)
        assert instance.at_ns["stage"] < clock.trigger_ns < instance.at_ns["restart"]
        assert list(clock.phases()) == ["started"]
        assert instance.told == ["let go"]
    with pytest.raises(DeployError, match="stopped for good"):
        instance.restart(Stopwatch())


def test_every_step_is_logged_with_the_instances_prefix(
    service: Service, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "harness.targets")
    with Traced().stage(service, AT, tmp_path) as staged, staged.start(Stopwatch()) as instance:
        instance.kill()
        instance.restart(Stopwatch())
        instance.terminate(3)
    with Traced().stage(service, AT, tmp_path):
        pass
    failing = Traced(refusing("start", DeployError("refused", "ask it why")))
    with failing.stage(service, AT, tmp_path) as staged, pytest.raises(DeployError):
        staged.start(Stopwatch())
    words = ("staging", "staged", "started", "kill", "restarted", "terminate", "terminated", "stop", "stopped")
    lines = [record.getMessage() for record in caplog.records]
    assert all(line.startswith(f"{AT.prefix}: ") for line in lines)
    found = [line.split(": ", 1)[1] for line in lines]
    assert [word for word in words if not any(line.split()[0].strip(",") == word for line in found)] == []
    assert "never started, rolled back" in found
    assert found[-1] == "start failed, rolled back: DeployError: refused"
    assert all(record.name.startswith("harness.targets.") for record in caplog.records)
