"""Policies by sizes on a spooled sequence, a process each, several at a time."""

from __future__ import annotations

import importlib.util
import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from harness.clock import NS_PER_S, now_ns
from harness.errors import Unavailable
from harness.runtime import child
from harness.simulation.policies import Policy
from harness.simulation.records import Progress, quiet
from harness.simulation.spool import Spool
from harness.simulation.worker import Job, Outcome

LIBRARY = "libcachesim"
REQUIREMENT = "libcachesim>=0.3.5"
_LOG_LINES = 10


LIMIT_S = 20.0
LIMIT_PER_REQUEST_S = 20e-6
"""A simulation that takes longer than both together does not end: the slowest one seen took 6.4 us per request, but
libCacheSim's LFUDA looks for its next rank one by one, and its ranks can grow exponentially."""


@dataclass(frozen=True, slots=True)
class SimulationFailure:
    """A simulation without a result: what happened, and the last lines of what it printed."""

    policy: str
    cache_bytes: int
    what: str
    log: str


@dataclass(frozen=True, slots=True)
class MissRatio:
    """What a policy misses at one size: the share of the measured requests, and of the bytes that they ask for.

    ``unit_bytes``: sizes were rounded to multiples of it (1: they are exact).
    """

    policy: str
    cache_bytes: int
    by_requests: float
    by_bytes: float
    unit_bytes: int = 1


def require_library() -> None:
    """Raises Unavailable, with the way to get it, where libCacheSim is not installed."""
    if importlib.util.find_spec(LIBRARY) is None:
        raise Unavailable(
            "simulating caches needs libCacheSim, an optional extra that is not installed",
            f"{sys.executable} -m pip install '{REQUIREMENT}' (its licence is GPL-3.0-or-later)",
        )


def simulate(
    spool: Spool, policies: Sequence[Policy], sizes: Sequence[int], *, jobs: int, progress: Progress = quiet
) -> tuple[MissRatio | SimulationFailure, ...]:
    """Every policy at every size in bytes, in that order; at most ``jobs`` processes at a time.

    A simulation that crashes, or that does not end (LIMIT_S), is a SimulationFailure and does not disturb the others.
    Raises Unavailable without libCacheSim. No process is left behind, whatever happens.
    """
    require_library()
    wanted = [(policy, size) for policy in policies for size in sizes]
    # The slowest first, so that no process is left alone with one at the end.
    waiting = sorted(wanted, key=lambda pair: pair[0].cost)
    found: dict[tuple[Policy, int], MissRatio | SimulationFailure] = {}
    with _Crew(spool) as crew:
        while len(found) < len(wanted):
            while waiting and crew.busy < jobs:
                crew.start(*waiting.pop())
            found |= crew.wait()
            progress("simulating", len(found), len(wanted))
    return tuple(found[pair] for pair in wanted)


@dataclass(frozen=True, slots=True)
class _Running:
    policy: Policy
    size: int
    process: subprocess.Popen[bytes]
    log: Path
    deadline_ns: int


class _Crew:
    """The running workers. On the way out of the context none is left."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._selector = selectors.DefaultSelector()
        self._limit_s = LIMIT_S + LIMIT_PER_REQUEST_S * spool.requests

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for one in self._running():
            self._end(one)
        self._selector.close()

    @property
    def busy(self) -> int:
        return len(self._running())

    def start(self, policy: Policy, size: int) -> None:
        """Begin one simulation."""
        spool = self._spool
        job = Job(
            library=policy.library,
            cache_bytes=size,
            unit_bytes=policy.unit_bytes(size),
            warm=str(spool.warm) if spool.warm_up else None,
            measured=str(spool.measured),
            objects=spool.objects,
            parent=os.getpid(),
        )
        path = spool.folder / f"{policy.name}-{size}.log"
        with path.open("wb") as log:
            process = subprocess.Popen(
                child.module("harness.simulation.worker", json.dumps(asdict(job))),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=spool.folder,
                env=child.environment(),
                # The terminal's Ctrl-C is the parent's to decide about.
                start_new_session=True,
            )
        deadline_ns = now_ns() + round(self._limit_s * NS_PER_S)
        self._selector.register(
            _pipe(process), selectors.EVENT_READ, _Running(policy, size, process, path, deadline_ns)
        )

    def wait(self) -> dict[tuple[Policy, int], MissRatio | SimulationFailure]:
        """Wait until a simulation ends or is out of time; what came of those that did."""
        first_ns = min(one.deadline_ns for one in self._running())
        ready: list[_Running] = [key.data for key, _ in self._selector.select(max(0, first_ns - now_ns()) / NS_PER_S)]
        late = [one for one in self._running() if one.deadline_ns <= now_ns() and one not in ready]
        found: dict[tuple[Policy, int], MissRatio | SimulationFailure] = {}
        for one in ready:
            answer = _pipe(one.process).read()
            status = one.process.wait()
            self._end(one)
            found[one.policy, one.size] = self._result(one, status, answer)
        for one in late:
            self._end(one)
            found[one.policy, one.size] = _failure(one, f"it did not end within {self._limit_s:.0f} s")
        return found

    def _running(self) -> list[_Running]:
        return [key.data for key in self._selector.get_map().values()]

    def _end(self, one: _Running) -> None:
        one.process.kill()
        one.process.wait()
        self._selector.unregister(_pipe(one.process))
        _pipe(one.process).close()

    def _result(self, one: _Running, status: int, answer: bytes) -> MissRatio | SimulationFailure:
        if status != 0:
            return _failure(one, f"it ended {_how(status)}")
        outcome = Outcome(**json.loads(answer))
        if outcome.seen != self._spool.requests:
            return _failure(one, f"it saw {outcome.seen:,} of {self._spool.requests:,} requests")
        unit = one.policy.unit_bytes(one.size)
        return MissRatio(one.policy.name, one.size, outcome.by_requests, outcome.by_bytes, unit)


def _how(status: int) -> str:
    return f"by {signal.Signals(-status).name}" if status < 0 else f"with exit status {status}"


def _failure(one: _Running, what: str) -> SimulationFailure:
    lines = one.log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
    return SimulationFailure(one.policy.name, one.size, what, "\n".join(lines))


def _pipe(process: subprocess.Popen[bytes]) -> IO[bytes]:
    if process.stdout is None:
        raise RuntimeError("a worker answers through a pipe")
    return process.stdout
