"""A running container: an instance."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError

from harness.artifacts.digest import tree_digest
from harness.clock import Stopwatch
from harness.errors import DeployError
from harness.host.cgroups.detect import CgroupReader, cgroup_of
from harness.host.processes import born, has_ended
from harness.lab.api import LabAddress
from harness.targets.api import InsideView, Instance, InstanceProcess
from harness.targets.docker.engine import ENGINE_FAILURES, refused
from harness.targets.docker.network import reach_other_regions
from harness.targets.inside import look_inside
from harness.targets.layers import packaged_tree
from harness.targets.process.spawning import command, parent


class ContainerInstance(Instance):
    """One container. Every question to the engine that fails is a DeployError."""

    def __init__(self, api: docker.APIClient, container: str, at: LabAddress, scratch: Path) -> None:
        self.address = at
        self._api = api
        self._container = container
        self._log = scratch / "service.log"
        self._pid_seen = 0

    def processes(self) -> Sequence[InstanceProcess]:
        if self._stopped or not (pid := self._pid()):
            return []
        group = self.cgroup
        shim = parent(pid)
        found = [InstanceProcess(each, "app", command(each)) for each in (group.pids() if group else (pid,))]
        if shim > 1:
            found.append(InstanceProcess(shim, "shim", command(shim)))
        return found

    @property
    def cgroup(self) -> CgroupReader | None:
        pid = self._pid()
        return cgroup_of(pid) if pid else None

    def alive(self) -> bool:
        return not self._stopped and self._pid() != 0

    def logs(self) -> str:
        if self._stopped:
            return self._log.read_text("utf-8", "replace") if self._log.exists() else ""
        text = self._ask(partial(self._api.logs, self._container)).decode("utf-8", "replace")
        state = self._state()
        if state["Running"]:
            return str(text)
        error = state.get("Error") or "no engine error"
        return f"{text}\n(the container ended with exit code {state['ExitCode']}; {error})"

    def content_digest(self) -> str:
        with packaged_tree(self._running_pid()) as tree:
            return tree_digest(tree)

    def inside(self) -> InsideView:
        return look_inside(self._running_pid())

    def _kill(self) -> None:
        """By the engine, which sends SIGKILL to the container's first process: the kernel ends the others with it."""
        self._end_by(self._api.kill)

    def _terminate(self, grace_s: float) -> None:
        """By the engine, whose grace is whole seconds. A first process that does not handle SIGTERM ignores it."""
        self._end_by(partial(self._api.stop, timeout=math.ceil(grace_s)))

    def _stage_again(self, until_started: ExitStack) -> None:  # noqa: ARG002 - nothing is held
        """The kernel may know of its end before the engine does, which would then start nothing."""
        self._ask(partial(self._api.wait, self._container))

    def _restart(self, clock: Stopwatch) -> None:
        self._ask(partial(self._api.start, self._container))
        clock.stamp("started")
        self._pid_seen = 0
        reach_other_regions(self.address, self._pid())

    def _end_by(self, means: Callable[[str], object]) -> None:
        if not self.alive():
            return
        processes = born(process.pid for process in self.processes())
        try:
            means(self._container)
        except APIError as error:
            # It may have ended by itself meanwhile, which the engine calls a conflict.
            if error.status_code != HTTPStatus.CONFLICT:
                raise refused(f"Container {self.address.prefix} could not be ended", error) from error
        except ENGINE_FAILURES as error:
            raise refused(f"Container {self.address.prefix} could not be ended", error) from error
        self._prove_the_end_of(processes)

    def _stop(self) -> None:
        if self._stopped:
            return
        processes: list[tuple[int, int]] = []
        try:
            processes = born(process.pid for process in self.processes())
            self._log.write_text(self.logs(), "utf-8")
        finally:
            self._stopped = True
            self._undo.close()
        self._prove_the_end_of(processes)

    def _prove_the_end_of(self, processes: Sequence[tuple[int, int]]) -> None:
        if survivors := [str(pid) for pid, since in processes if not has_ended(pid, since)]:
            raise DeployError(
                f"Processes of {self.address.prefix} survived it: {', '.join(survivors)}.", "Look at them: ps -ef"
            )

    def _state(self) -> dict[str, Any]:
        state: dict[str, Any] = self._ask(partial(self._api.inspect_container, self._container))["State"]
        return state

    def _pid(self) -> int:
        """The pid of the container's first process on the host; 0 once it has ended."""
        if not self._pid_seen:
            self._pid_seen = int(self._state()["Pid"])
        return self._pid_seen if Path(f"/proc/{self._pid_seen}").exists() else 0

    def _running_pid(self) -> int:
        if pid := self._pid():
            return pid
        raise DeployError(f"Container {self.address.prefix} has ended.", "Look at the instance's logs.")

    @staticmethod
    def _ask(question: Callable[[], Any]) -> Any:
        try:
            return question()
        except ENGINE_FAILURES as error:
            raise refused("The engine did not answer for a container", error) from error
