"""What a trial is measured with: the lab, the load generator and the startup prober, as they are on this host.

A trial takes them from here, so that the whole path can also be run with others: on loopback where there is no root,
and with quick ones in the unit tests.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness.lab.bridged import BridgedLab, Lab, LoopbackLab
from harness.lab.regional import RegionalLab
from harness.load.plan import LoadPlan, Windows
from harness.load.result import LoadResult
from harness.load.runner import Generator
from harness.probes.startup import Prober, ProbeResult
from harness.probes.transaction import Transaction, TransactionResult
from harness.runtime.confinement import Confinement
from harness.spec.geography import Geography
from harness.spec.route import Route, Way
from harness.spec.service import Readiness
from harness.spec.topology import Step


class LoadGenerator(Protocol):
    """See harness.load.runner.Generator."""

    def wait_ready(self) -> None: ...
    def prepare(self) -> None: ...
    def start(self) -> Windows: ...
    def finish(self) -> LoadResult: ...


class StartupProber(Protocol):
    """See harness.probes.startup.Prober."""

    def go(self) -> None: ...
    def result(self, timeout_s: float, alive: Callable[[], bool]) -> ProbeResult: ...


class FirstTransaction(Protocol):
    """See harness.probes.transaction.Transaction."""

    def go(self) -> None: ...
    def result(self, timeout_s: float, alive: Callable[[], bool]) -> TransactionResult: ...


class Instruments(Protocol):
    """Makes what one trial needs. ``prefix`` begins the names of all that a lab makes; ``at``: where a process runs.

    With a ``geography`` the lab has its regions; what joins them is a part of the instrument, and runs on ``cpus``.
    """

    def lab(
        self, prefix: str, geography: Geography | None = None, cpus: frozenset[int] = frozenset()
    ) -> AbstractContextManager[Lab]: ...
    def generator(self, plan: LoadPlan, at: Confinement, scratch: Path) -> AbstractContextManager[LoadGenerator]: ...
    def prober(
        self, address: tuple[str, int], ready: Readiness, at: Confinement, way: Way, period_ns: int
    ) -> AbstractContextManager[StartupProber]: ...
    def transaction(
        self, steps: Sequence[Step], routes: Sequence[Route], at: Confinement, way: Way
    ) -> AbstractContextManager[FirstTransaction]: ...


@dataclass(frozen=True, slots=True)
class RealInstruments:
    """Locust, the prober's own process, and the lab on a bridge; ``loopback``: the lab that needs no privileges."""

    loopback: bool = False

    def lab(
        self, prefix: str, geography: Geography | None = None, cpus: frozenset[int] = frozenset()
    ) -> AbstractContextManager[Lab]:
        if self.loopback:
            return LoopbackLab(prefix)
        # Links have short names; these exist only while the lab does.
        tag = secrets.token_hex(3)
        return BridgedLab(prefix, tag) if geography is None else RegionalLab(prefix, tag, geography, cpus)

    def generator(self, plan: LoadPlan, at: Confinement, scratch: Path) -> AbstractContextManager[LoadGenerator]:
        return Generator(plan, at, scratch)

    def prober(
        self, address: tuple[str, int], ready: Readiness, at: Confinement, way: Way, period_ns: int
    ) -> AbstractContextManager[StartupProber]:
        return Prober(*address, ready, at, way, period_ns)

    def transaction(
        self, steps: Sequence[Step], routes: Sequence[Route], at: Confinement, way: Way
    ) -> AbstractContextManager[FirstTransaction]:
        return Transaction(steps, routes, at, way)
