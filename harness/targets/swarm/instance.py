"""A running swarm service: an instance, and orchestrated."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError

from harness.artifacts.digest import tree_digest
from harness.clock import NS_PER_S, Stopwatch, now_ns
from harness.errors import DeployError
from harness.host.cgroups.detect import CgroupReader, cgroup_of
from harness.host.processes import born, has_ended
from harness.lab.api import LabAddress
from harness.targets.api import InsideView, Instance, InstanceProcess, Service
from harness.targets.docker.engine import ENGINE_FAILURES, refused
from harness.targets.inside import look_inside
from harness.targets.layers import packaged_tree
from harness.targets.orchestrated import Orchestrated
from harness.targets.process.spawning import command, parent
from harness.targets.swarm.removal import containers_of
from harness.targets.swarm.service import update_order
from harness.targets.swarm.watch import SwarmWatch

log = logging.getLogger(__name__)

_OVER = ("shutdown", "remove", "complete")
_FAILED = ("failed", "rejected")
_POLL_S = 0.02
_UPDATES = 10
"""The manager refuses an update that is not of the service's latest version, which it changes itself at times."""


def require_places(replicas: int, at: LabAddress) -> None:
    """Raises DeployError if the place in the lab is too small for so many replicas."""
    if replicas > 1 + len(at.spares):
        raise DeployError(
            f"{at.prefix} has {1 + len(at.spares)} addresses, too few for {replicas} replicas.",
            "Ask the lab for a place with more spares.",
        )


class SwarmInstance(Instance, Orchestrated):
    """One service with its replicas. Every question to the engine that fails is a DeployError."""

    def __init__(
        self,
        api: docker.APIClient,
        service: Service,
        at: LabAddress,
        watch: SwarmWatch,
        scratch: Path,
    ) -> None:
        self.address = at
        self._api = api
        self._wanted = service.replicas
        self._watch = watch
        self._log = scratch / "service.log"
        self._down = False
        self._before = frozenset[str]()
        """The tasks of its earlier lives. The orchestrator makes the next one's some time after it was asked to."""

    @property
    def limits_enforced(self) -> bool:  # type: ignore[override]  # it can turn out false while it runs
        """Whether the engine took the limits of every replica so far."""
        return self._watch.limits_applied

    def processes(self) -> Sequence[InstanceProcess]:
        found = []
        for _, pid in self._watch.replicas():
            group = cgroup_of(pid)
            found += [InstanceProcess(each, "app", command(each)) for each in (group.pids() if group else (pid,))]
            if (shim := parent(pid)) > 1:
                found.append(InstanceProcess(shim, "shim", command(shim)))
        return found

    @property
    def cgroup(self) -> CgroupReader | None:
        """That of the oldest replica that runs."""
        return next((cgroup_of(pid) for _, pid in self._watch.replicas()), None)

    def alive(self) -> bool:
        """Until the orchestrator gives it up, which it does for a replica that ends again and again."""
        if self._down:
            return False
        tasks = [task for task in self._tasks() if task["ID"] not in self._before]
        return not tasks or any(task["DesiredState"] not in _OVER for task in tasks)

    def logs(self) -> str:
        if self._stopped:
            return self._log.read_text("utf-8", "replace") if self._log.exists() else ""
        words = dict(self._watch.final_logs)
        for container in self._ask(partial(containers_of, self._api, self.address.prefix)):
            # What had ended and was there when they were listed may be gone now.
            words[container["Id"]] = self._words_of(container["Id"]) or words.get(container["Id"], "")
        parts = list(words.values())
        for task in self._tasks():
            status = task["Status"]
            if status["State"] in _FAILED:
                code = (status.get("ContainerStatus") or {}).get("ExitCode", "unknown")
                parts.append(f"({status.get('Err', 'a replica failed')}; a replica ended with exit code {code})")
        return "\n".join(part.rstrip("\n") for part in parts if part)

    def content_digest(self) -> str:
        with packaged_tree(self._running_pid()) as tree:
            return tree_digest(tree)

    def inside(self) -> InsideView:
        return look_inside(self._running_pid())

    def _kill(self) -> None:
        """One replica, the oldest; the orchestrator replaces it, and the instance stays alive."""
        for container, pid in self._watch.replicas()[:1]:
            processes = born([pid])
            self._end_container(container)
            self._prove_the_end_of(processes)

    def _terminate(self, grace_s: float) -> None:
        """Scaled to no replica, each of which gets SIGTERM; ``scale`` and ``restart`` bring it back."""
        if self._down:
            return
        self._update(lambda spec: _set_replicas(spec, 0, self.address))
        self._down = True
        processes = born(process.pid for process in self.processes())
        deadline_ns = now_ns() + int(grace_s * NS_PER_S)
        for pid, since in processes:
            has_ended(pid, since, max(0.0, (deadline_ns - now_ns()) / NS_PER_S))
        for container, _ in self._watch.replicas():
            self._end_container(container)
        self._prove_the_end_of(processes)

    def _restart(self, clock: Stopwatch) -> None:
        self._watch.clock = clock
        self.scale(self._wanted)

    def replicas(self) -> int:
        return len(self._watch.replicas())

    def scale(self, replicas: int) -> None:
        require_places(replicas, self.address)
        log.info("%s: scale to %d", self.address.prefix, replicas)
        if self._down:
            self._before = frozenset(task["ID"] for task in self._tasks())
        self._update(lambda spec: _set_replicas(spec, replicas, self.address))
        self._wanted = replicas
        self._down = False

    def replace(self, env: Mapping[str, str]) -> None:
        log.info("%s: replace with a version in which %s differ", self.address.prefix, sorted(env))

        def next_version(spec: dict[str, Any]) -> None:
            task = spec["TaskTemplate"]
            given = dict(pair.split("=", 1) for pair in task["ContainerSpec"].get("Env") or ())
            task["ContainerSpec"]["Env"] = [f"{name}={value}" for name, value in {**given, **env}.items()]
            # Also a version that differs in nothing replaces the one that runs.
            task["ForceUpdate"] = task.get("ForceUpdate", 0) + 1

        self._update(next_version)

    def places(self) -> tuple[LabAddress, ...]:
        return (self.address, *self.address.spares)

    def _stop(self) -> None:
        if self._stopped:
            return
        processes = born(process.pid for process in self.processes())
        try:
            self._log.write_text(self.logs(), "utf-8")
        finally:
            self._down = self._stopped = True
            self._undo.close()
        self._prove_the_end_of(processes)

    def _prove_the_end_of(self, processes: Sequence[tuple[int, int]]) -> None:
        if survivors := [str(pid) for pid, since in processes if not has_ended(pid, since)]:
            raise DeployError(
                f"Processes of {self.address.prefix} survived it: {', '.join(survivors)}.", "Look at them: ps -ef"
            )

    def _end_container(self, container: str) -> None:
        try:
            self._api.kill(container)
        except APIError as error:
            # It may have ended by itself, or be gone.
            if not error.is_client_error():
                raise refused("A replica could not be killed", error) from error
        except ENGINE_FAILURES as error:
            raise refused("A replica could not be killed", error) from error

    def _words_of(self, container: str) -> str:
        try:
            return bytes(self._api.logs(container)).decode("utf-8", "replace")
        except APIError:
            return ""  # the orchestrator has removed it meanwhile
        except ENGINE_FAILURES as error:
            raise refused("The engine did not answer for a replica", error) from error

    def _tasks(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._ask(partial(self._api.tasks, filters={"service": self.address.prefix}))
        return sorted(found, key=lambda task: str(task["CreatedAt"]))

    def _update(self, change: Callable[[dict[str, Any]], None]) -> None:
        for late in [False] * _UPDATES + [True]:
            found = self._ask(partial(self._api.inspect_service, self.address.prefix))
            spec = found["Spec"]
            change(spec)
            try:
                self._api.update_service(
                    self.address.prefix,
                    found["Version"]["Index"],
                    spec["TaskTemplate"],
                    name=spec["Name"],
                    labels=spec["Labels"],
                    mode=spec["Mode"],
                    update_config=spec.get("UpdateConfig"),
                    endpoint_spec=spec.get("EndpointSpec"),
                )
            except ENGINE_FAILURES as error:
                if late or "out of sequence" not in str(error):
                    raise refused(f"Swarm service {self.address.prefix} could not be changed", error) from error
                time.sleep(_POLL_S)
            else:
                return

    def _running_pid(self) -> int:
        for _, pid in self._watch.replicas():
            return pid
        raise DeployError(f"No replica of {self.address.prefix} runs.", "Look at the instance's logs.")

    @staticmethod
    def _ask(question: Callable[[], Any]) -> Any:
        try:
            return question()
        except ENGINE_FAILURES as error:
            raise refused("The engine did not answer for a swarm service", error) from error


def _set_replicas(spec: dict[str, Any], replicas: int, at: LabAddress) -> None:
    spec["Mode"] = {"Replicated": {"Replicas": replicas}}
    spec["UpdateConfig"]["Order"] = update_order(replicas, at)
