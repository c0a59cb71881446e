"""Deploys a service on a target and waits for its first correct response, as a trial does."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.clock import NS_PER_MS, Stopwatch
from harness.lab.api import LabAddress
from harness.lab.bridged import BridgedLab, Lab
from harness.lab.regional import RegionalLab
from harness.probes.startup import Prober, ProbeResult
from harness.runtime.confinement import Confinement
from harness.spec.geography import Geography
from harness.targets.api import Instance, Service, Target
from tests.support.hello import CPUS


@dataclass(frozen=True, slots=True)
class Deployed:
    """An instance that has given its first correct response."""

    instance: Instance
    service: Service
    lab: Lab
    at: LabAddress
    watch: Stopwatch
    result: ProbeResult

    @property
    def first_response_ms(self) -> float:
        return (self.result.first_response_ns - self.watch.trigger_ns) / NS_PER_MS


def bridged_lab(name: str) -> BridgedLab:
    """A lab with names that no other has."""
    tag = secrets.token_hex(3)
    return BridgedLab(f"tare-{name}-{tag}", tag)


def regional_lab(name: str, geography: Geography, cpus: frozenset[int] = frozenset()) -> RegionalLab:
    """The same with regions; its core has those CPUs."""
    tag = secrets.token_hex(3)
    return RegionalLab(f"tare-{name}-{tag}", tag, geography, cpus)


@contextmanager
def deployed(target: Target, service: Service, lab: Lab, scratch: Path, *, spares: int = 0) -> Iterator[Deployed]:
    """For as long as the context lasts. Raises what staging and starting raise, and NotReady."""
    at = lab.address("svc", spares)
    watch = Stopwatch()
    with (
        Prober(str(at.ip), service.port, service.ready, Confinement(lab.client_netns, CPUS.generator)) as prober,
        target.stage(service, at, scratch) as staged,
    ):
        prober.go()
        with staged.start(watch) as instance:
            result = prober.result(alive=instance.alive)
            yield Deployed(instance, service, lab, at, watch, result)
