"""Follows what the orchestrator does with one service's containers, by the engine's events, in a thread of its own.

A swarm service cannot be pinned to CPUs, nor be told to use no swap or a given MAC address. So each container is given
its limits when the engine says that it was created, some 0.3 s before it is started, and is looked at when it started.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import Any

from docker.errors import APIError

from harness.clock import Stopwatch, now_ns
from harness.errors import TareError
from harness.targets.api import Service
from harness.targets.docker.engine import ENGINE_FAILURES, client
from harness.targets.swarm.service import LABEL
from harness.units import MIB

log = logging.getLogger(__name__)

Started = Callable[[dict[str, Any]], None]
"""Is told what the engine knows of a container that has just been started."""


class SwarmWatch:
    """Runs from its making to ``close``.

    ``limits_applied``: whether every replica so far was given its limits. ``final_logs``: what each replica that has
    ended had printed, by its container, in the order of their ends; the orchestrator removes such containers as it
    likes. Stamps on ``clock``, which is that of the start or restart under way: ``container_created`` and ``started``,
    of the first replica.
    """

    def __init__(self, service: Service, prefix: str, started: Started) -> None:
        self.clock = Stopwatch()
        self.limits_applied = True
        self.final_logs: dict[str, str] = {}
        self._listener = ThreadPoolExecutor(1, f"final logs of {prefix}")
        self._cpuset = ",".join(map(str, sorted(service.cpuset)))
        self._memory = service.limits.memory_mib * MIB
        self._started = started
        self._prefix = prefix
        self._running: dict[str, int] = {}
        self._api = client()
        filters = {"type": "container", "label": f"{LABEL}={prefix}", "event": ["create", "start", "die"]}
        try:
            self._events = self._api.events(filters=filters, decode=True)
        except ENGINE_FAILURES:
            self._api.close()
            raise
        self._thread = threading.Thread(target=self._follow, name=f"events of {prefix}", daemon=True)
        self._thread.start()

    def replicas(self) -> list[tuple[str, int]]:
        """The running replicas' containers and first processes on this host, oldest first."""
        return [(container, pid) for container, pid in dict(self._running).items() if Path(f"/proc/{pid}").exists()]

    def close(self) -> None:
        """Idempotent."""
        if self._thread.is_alive():
            self._events.close()
            self._thread.join()
        self._listener.shutdown()
        self._api.close()

    def _follow(self) -> None:
        for event in self._events:
            at_ns = now_ns()
            container = event["Actor"]["ID"]
            if event["Action"] == "create":
                self.clock.stamp("container_created", at_ns)
                self._ask(self._limit, container)
            elif event["Action"] == "start":
                self.clock.stamp("started", at_ns)
                self._ask(self._look, container)
            else:
                self._running.pop(container, None)
                log.info("%s: container %s has ended", self._prefix, container[:12])
                # Beside this thread, whose next event may be one to be stamped.
                self._listener.submit(self._listen, container)

    def _ask(self, question: Callable[[str], None], container: str) -> None:
        """A container that is gone again needs nothing, and of an engine that is gone the instance will tell."""
        try:
            question(container)
        except (*ENGINE_FAILURES, TareError) as error:
            gone = isinstance(error, APIError) and error.status_code in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
            self.limits_applied = self.limits_applied and gone
            log.info("%s: container %s: %s", self._prefix, container[:12], error)

    def _limit(self, container: str) -> None:
        memory = self._memory
        self._api.update_container(container, cpuset_cpus=self._cpuset, mem_limit=memory, memswap_limit=memory)

    def _look(self, container: str) -> None:
        found: dict[str, Any] = self._api.inspect_container(container)
        if found["HostConfig"]["CpusetCpus"] != self._cpuset:
            self._limit(container)
        self._started(found)
        if found["State"]["Running"]:
            self._running[container] = int(found["State"]["Pid"])

    def _listen(self, container: str) -> None:
        try:
            self.final_logs[container] = bytes(self._api.logs(container)).decode("utf-8", "replace")
        except ENGINE_FAILURES:
            return  # of an engine that is gone the instance will tell
