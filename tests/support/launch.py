"""Both steps of a launch at once, for tests that do not care what comes before t0."""

from __future__ import annotations

from pathlib import Path

from harness.clock import Stopwatch
from harness.lab.api import LabAddress
from harness.targets.api import Instance, Service, Target


def launch(target: Target, service: Service, at: LabAddress, scratch: Path, clock: Stopwatch | None = None) -> Instance:
    """Stage a service and start it. Raises what either step raises."""
    with target.stage(service, at, scratch) as staged:
        return staged.start(clock or Stopwatch())
