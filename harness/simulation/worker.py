"""One policy at one size, in a process of its own: ``python -m harness.simulation.worker JOB``.

The only module that imports libCacheSim (GPL-3.0-or-later), whose C code prints, and aborts the process when something
displeases it. Takes a Job as JSON for its argument and answers with an Outcome as JSON on standard output; whatever the
library prints goes to standard error. Dies with the process that started it.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
NO_EXPIRY_S = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Job:
    """What to simulate: a class of libCacheSim, or the textbook's LFUDA where ``library`` is empty.

    ``warm`` is None without a warm-up; ``unit_bytes`` is the unit in which the library is given sizes.

    ``objects`` is how many there are, ``parent`` the process that waits for the answer.
    """

    library: str
    cache_bytes: int
    unit_bytes: int
    warm: str | None
    measured: str
    objects: int
    parent: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """Miss ratios over the measured requests, and how many requests the cache has seen in all."""

    by_requests: float
    by_bytes: float
    seen: int


def _by_the_book(job: Job) -> Outcome:
    # Here, so that a worker of the library's stays small: these bring numpy's and pandas' whole families.
    from harness.simulation.lfuda import Lfuda
    from harness.simulation.spool import stored

    cache = Lfuda(job.cache_bytes)
    if job.warm is not None:
        cache.run(stored(Path(job.warm)))
    by_requests, by_bytes = cache.run(stored(Path(job.measured)))
    return Outcome(by_requests, by_bytes, cache.seen)


def _by_the_library(job: Job) -> Outcome:
    import libcachesim as library

    # The table of objects grows by itself; the library's own start of 2**24 entries would be 128 MiB for each.
    power = min(24, max(10, job.objects.bit_length()))
    size = max(1, job.cache_bytes // job.unit_bytes)
    cache = getattr(library, job.library)(size, default_ttl=NO_EXPIRY_S, hashpower=power)
    paths = [path for path in (job.warm, job.measured) if path is not None]
    by_requests = by_bytes = 0.0
    for path in paths:
        reader = library.TraceReader(path, library.TraceType.ORACLE_GENERAL_TRACE)
        by_requests, by_bytes = cache.process_trace(reader)
    return Outcome(by_requests, by_bytes, int(cache._cache.n_req))


def _prepared(job: Job, scratch: Path) -> Job:
    """The job with its files in its units."""
    if job.unit_bytes == 1:
        return job
    from harness.simulation.spool import coarse

    made = {}
    for key in ("warm", "measured"):
        path = getattr(job, key)
        if path is not None:
            made[key] = str(scratch / f"{os.getpid()}-{key}.oracleGeneral.zst")
            coarse(Path(path), job.unit_bytes, Path(made[key]))
    return Job(**(asdict(job) | made))


def main() -> None:
    """Read the job, tell the outcome."""
    given: dict[str, Any] = json.loads(sys.argv[1])
    job = Job(**given)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != job.parent:
        sys.exit("the process that wants the answer is gone")
    answer = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    prepared = _prepared(job, Path.cwd())
    outcome = _by_the_library(prepared) if prepared.library else _by_the_book(prepared)
    for path in (prepared.warm, prepared.measured):
        if path is not None and path not in (job.warm, job.measured):
            Path(path).unlink()
    os.write(answer, json.dumps(asdict(outcome)).encode())


if __name__ == "__main__":
    main()
