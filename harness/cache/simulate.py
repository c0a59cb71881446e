"""Policies by sizes on a spooled sequence, a process each, several at a time."""

from __future__ import annotations

import importlib.util
import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import harness
from harness.cache.policies import Policy
from harness.cache.records import Progress, quiet
from harness.cache.spool import Spool
from harness.cache.worker import Job, Outcome
from harness.errors import SimulationError, Unavailable

LIBRARY = "libcachesim"
_LOG_LINES = 10


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
            f"{sys.executable} -m pip install 'tare[cache]' (libCacheSim's licence is GPL-3.0-or-later)",
        )


def simulate(
    spool: Spool, policies: Sequence[Policy], sizes: Sequence[int], *, jobs: int, progress: Progress = quiet
) -> tuple[MissRatio, ...]:
    """Every policy at every size in bytes, in that order; at most ``jobs`` processes at a time.

    Raises Unavailable without libCacheSim, SimulationError if a simulation ends without a result. No process is left
    behind, whatever happens.
    """
    require_library()
    wanted = [(policy, size) for policy in policies for size in sizes]
    # The slowest first, so that no process is left alone with one at the end.
    waiting = sorted(wanted, key=lambda pair: pair[0].cost)
    found: dict[tuple[Policy, int], MissRatio] = {}
    with _Crew(spool, lambda pair, ratio: found.__setitem__(pair, ratio)) as crew:
        while len(found) < len(wanted):
            while waiting and crew.busy < jobs:
                crew.start(*waiting.pop())
            crew.wait()
            progress("simulating", len(found), len(wanted))
    return tuple(found[pair] for pair in wanted)


class _Crew:
    """The running workers. On the way out of the context none is left."""

    def __init__(self, spool: Spool, done: Callable[[tuple[Policy, int], MissRatio], None]) -> None:
        self._spool = spool
        self._done = done
        self._selector = selectors.DefaultSelector()
        self._running: dict[subprocess.Popen[bytes], tuple[Policy, int]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for process in self._running:
            process.kill()
        for process in self._running:
            process.wait()
            _close(process)
        self._running.clear()
        self._selector.close()

    @property
    def busy(self) -> int:
        return len(self._running)

    def start(self, policy: Policy, size: int) -> None:
        """Begin one simulation."""
        spool = self._spool
        job = Job(
            library=policy.library,
            cache_bytes=size,
            unit_bytes=policy.unit_bytes(size),
            warm=str(spool.warm) if spool.warm_up else None,
            measured=str(spool.measured),
            requests=spool.requests,
            objects=spool.objects,
            parent=os.getpid(),
        )
        with self._log(policy, size).open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "harness.cache.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=spool.folder,
                env=_environment(),
                # The terminal's Ctrl-C is the parent's to decide about.
                start_new_session=True,
            )
        self._running[process] = (policy, size)
        assert process.stdin is not None
        assert process.stdout is not None
        self._selector.register(process.stdout, selectors.EVENT_READ, process)
        try:
            process.stdin.write(json.dumps(asdict(job)).encode())
            process.stdin.close()
        except BrokenPipeError:
            return  # It has ended already: `wait` tells why.

    def wait(self) -> None:
        """Wait until a simulation ends, and take its result. Raises SimulationError if it has none."""
        for key, _ in self._selector.select():
            process: subprocess.Popen[bytes] = key.data
            policy, size = self._running[process]
            answer = key.fileobj.read()  # type: ignore[union-attr]
            status = process.wait()
            self._selector.unregister(key.fileobj)
            _close(process)
            del self._running[process]
            self._done((policy, size), self._result(policy, size, status, answer))

    def _result(self, policy: Policy, size: int, status: int, answer: bytes) -> MissRatio:
        if status != 0:
            how = f"by {signal.Signals(-status).name}" if status < 0 else f"with exit status {status}"
            remedy = "look at its output above; if memory was short, run fewer at a time with --jobs"
            raise self._failure(policy, size, f"ended {how}", remedy)
        outcome = Outcome(**json.loads(answer))
        if outcome.seen != self._spool.requests:
            remedy = "check that the disk of TMPDIR is sound, and run it again"
            raise self._failure(policy, size, f"saw {outcome.seen:,} of {self._spool.requests:,} requests", remedy)
        return MissRatio(policy.name, size, outcome.by_requests, outcome.by_bytes, policy.unit_bytes(size))

    def _failure(self, policy: Policy, size: int, how: str, remedy: str) -> SimulationError:
        error = SimulationError(f"the simulation of {policy.name} at {size:,} bytes {how}", remedy)
        lines = self._log(policy, size).read_text(errors="replace").splitlines()[-_LOG_LINES:]
        if lines:
            error.add_note("\n".join(lines))
        return error

    def _log(self, policy: Policy, size: int) -> Path:
        return self._spool.folder / f"{policy.library}-{size}.log"


def _environment() -> dict[str, str]:
    root = str(Path(harness.__file__).resolve().parent.parent)
    return os.environ | {"PYTHONPATH": os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])}


def _close(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None and not pipe.closed:
            pipe.close()
