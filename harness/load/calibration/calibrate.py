"""The instrument's own figures, from the null service: its latency floor, and the rate that it can keep."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import harness
from harness.clock import NS_PER_MS
from harness.errors import LoadError
from harness.load.plan.load_plan import LoadPlan
from harness.load.plan.loads import Pool, Ramp, Schedule
from harness.load.plan.targets import Targets
from harness.load.recorder import Outcome, Phase, Samples
from harness.load.runner import Generator
from harness.records.load import NullFloor
from harness.runtime.confinement import Confinement
from harness.spec.route import Route

MAX_LAG_NS = 2_000_000
STEPS = 8
STEP_S = 1.5
WARMUP_S = 0.5
FLOOR_SAMPLES = 400
"""What the first step aims at: a 95 % interval of p99 needs 368 samples (order statistics)."""

_FLOOR_MAX_S = 5.0
_READY_S = 10.0


@contextmanager
def null_service(ip: str, at: Confinement, *, port: int = 0, options: tuple[str, ...] = ()) -> Iterator[int]:
    """A null service that runs and listens ``at`` its namespace, on ``ip``; yields its port.

    ``options`` are the null service's own (``--delay-ms`` …). Raises LoadError when it does not come up.
    """
    command = [
        sys.executable,
        "-P",
        "-m",
        "harness.load.calibration.null_service",
        "--ip",
        ip,
        "--port",
        str(port),
        *options,
    ]
    root = str(Path(harness.__file__).resolve().parent.parent)
    env = dict(os.environ) | {"PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}
    process = subprocess.Popen(
        at.command(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env,
        start_new_session=True,
    )
    try:
        yield _listening_port(process)
    finally:
        process.kill()
        process.communicate()


def _listening_port(process: subprocess.Popen[bytes]) -> int:
    stdout = process.stdout
    if stdout is not None and select.select([stdout], [], [], _READY_S)[0]:
        words = stdout.readline().split()
        if len(words) == 3 and words[0] == b"listening":
            return int(words[2])
    process.kill()
    error = LoadError("the null service did not start", "see `tare doctor`")
    error.add_note(process.communicate()[1].decode(errors="replace")[-2000:])
    raise error


@dataclass(frozen=True, slots=True)
class RateSearch:
    """The rate doubles from ``rate_rps`` on, in at most so many ``steps``, until it is not kept twice in a row."""

    rate_rps: float
    seed: int = 1
    max_in_flight: int = 128
    steps: int = STEPS

    @property
    def load(self) -> Ramp:
        """Steps of 1.5 s, the first of up to 5 s, to have enough samples at a low rate: about 15 s of 8 steps."""
        first_s = min(_FLOOR_MAX_S, max(STEP_S, FLOOR_SAMPLES / self.rate_rps))
        return Ramp(
            Schedule(self.rate_rps, first_s, WARMUP_S),
            tuple(self.rate_rps * 2**step for step in range(1, self.steps)),
            Pool(self.max_in_flight),
            STEP_S,
            MAX_LAG_NS,
        )


def calibrate(search: RateSearch, service: Route, at: Confinement, scratch: Path) -> NullFloor:
    """Measure the null service that ``service`` leads to, with a generator that runs ``at`` its namespace and CPUs.

    ``scratch`` is an existing folder. Raises LoadError when the generator fails or the null service does not answer it.
    """
    return floor_of(*calibration_run(search, service, at, scratch))


def calibration_run(
    search: RateSearch, service: Route, at: Confinement, scratch: Path
) -> tuple[Samples, list[dict[str, float]]]:
    """The samples of a calibration, and for each step its rate, its place in the samples, and whether it was kept."""
    plan = LoadPlan(
        Targets((service,)),
        search.load,
        samples=str((scratch / "calibration.bin").resolve()),
        seed=search.seed,
        timeout_s=2.0,
    )
    with Generator(plan, at, scratch) as generator:
        generator.wait_ready()
        generator.start()
        samples, _, facts, _ = generator.finish_raw()
    made = facts["steps"]
    if not isinstance(made, list):
        raise LoadError("the calibration recorded no steps", "run it again")
    return samples, made


def floor_of(samples: Samples, steps: list[dict[str, float]]) -> NullFloor:
    """The floor from the first step, the limit from all. Raises LoadError when nothing was answered."""
    first = samples[: int(steps[0]["count"])]
    answered = first[(first["phase"] == Phase.MEASURED) & (first["outcome"] == Outcome.OK)]
    if len(answered) == 0:
        raise LoadError("the null service did not answer the generator", "look at the lab's network; run it again")
    latency_ms = (answered["done_ns"] - answered["intended_ns"]) / NS_PER_MS
    return NullFloor(
        rate_rps=steps[0]["rate_rps"],
        latency_p50_ms=float(np.percentile(latency_ms, 50)),
        latency_p99_ms=float(np.percentile(latency_ms, 99)),
        service_time_p50_ms=float(np.percentile((answered["done_ns"] - answered["sent_ns"]) / NS_PER_MS, 50)),
        send_lag_p99_ms=float(np.percentile((answered["sent_ns"] - answered["intended_ns"]) / NS_PER_MS, 99)),
        highest_rate_rps=max((step["rate_rps"] for step in steps if step["kept"]), default=0.0),
    )
