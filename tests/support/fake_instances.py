"""Fake instances on which something goes wrong, and a target that launches them in a given order."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import replace

from harness.errors import DeployError
from harness.lab.api import LabAddress
from harness.targets.api import Service
from tests.support.fake_campaign import free_port
from tests.support.fakes import Answer, FakeInstance, FakeTarget, healthy

OTHER_DIGEST = f"sha256:{'f' * 64}"


class Good(FakeInstance):
    """Nothing goes wrong."""


class Refused(FakeInstance):
    """Cannot be started."""

    def __init__(self, _service: Service, _at: LabAddress, _answer: Answer) -> None:
        error = DeployError("The fake engine refused.", "Ask it why.")
        error.add_note("the engine's last line")
        raise error


class NoRoom(FakeInstance):
    """The host's disk is full when it is started."""

    def __init__(self, _service: Service, _at: LabAddress, _answer: Answer) -> None:
        raise OSError(28, "No space left on device")


class Changed(FakeInstance):
    """Runs from a tree that is not the artifact's."""

    def content_digest(self) -> str:
        return OTHER_DIGEST


class Elsewhere(FakeInstance):
    """Listens on another port than it was told."""

    def __init__(self, service: Service, at: LabAddress, answer: Answer) -> None:
        super().__init__(replace(service, port=free_port()), at, answer)


class Stubborn(FakeInstance):
    """Something of it survives its end."""

    def stop(self) -> None:
        super().stop()
        raise DeployError("A process of it survived.", "Look at it, then: tare sweep")


class StubbornElsewhere(Stubborn, Elsewhere):
    """Neither answers where it should nor ends as it should."""


class SignalledAtItsEnd(FakeInstance):
    """Somebody presses Ctrl-C while it is torn down."""

    def stop(self) -> None:
        if self.alive():
            signal.raise_signal(signal.SIGINT)
        super().stop()


class SignalledInItsStart(FakeInstance):
    """Somebody presses Ctrl-C while it is started, and what was made so far cannot be removed."""

    def __init__(self, _service: Service, _at: LabAddress, _answer: Answer) -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            raise DeployError("Its control group is busy.", "Look at it.")


class ScriptedTarget(FakeTarget):
    """Launches one of each kind in turn, and good ones after the last. ``instances``: all that were launched."""

    def __init__(self, *kinds: type[FakeInstance], name: str = "fake", answer: Answer = healthy) -> None:
        super().__init__(answer)
        self.name = name
        self.instances: list[FakeInstance] = []
        self._script = list(kinds)

    def _make(self, service: Service, at: LabAddress) -> FakeInstance:
        kind = self._script.pop(0) if self._script else Good
        instance = kind(service, at, self._answer)
        self.instances.append(instance)
        return instance

    @property
    def running(self) -> Sequence[FakeInstance]:
        """The instances that have not been stopped."""
        return [instance for instance in self.instances if instance.alive()]
