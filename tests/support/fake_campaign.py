"""A campaign over fake targets and fake instruments: the whole path of a trial, in this process, in milliseconds."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.artifacts.api import Artifact, ImageConfig
from harness.campaign.provenance import host_record
from harness.campaign.run import CampaignRun
from harness.clock import utc_now
from harness.host.accelerator import Accelerator
from harness.host.cgroups.detect import CgroupReader
from harness.host.cpus import CpuSplit
from harness.host.machine import CpuTimes
from harness.host.noise import NoiseCounters
from harness.planning.plan import Plan, PlannedTrial, plan
from harness.probes import cpu
from harness.records.campaign import ArtifactRecord, Manifest
from harness.records.load import NullFloor
from harness.records.trial import TrialRecord
from harness.spec.experiment import Experiment
from harness.spec.files import spec_digest
from harness.spec.service import Exchange, Limits, Readiness
from harness.spec.topology import SERVICE, SINGLE, Member, Topology
from harness.store.folder import CampaignFolder
from harness.targets.api import Service, Target
from harness.trial.campaign_context import CampaignContext, Deployable
from tests.support.capabilities import REGISTERED
from tests.support.fake_instruments import FakeInstruments, null_floor
from tests.support.fakes import FakeTarget
from tests.support.host_facts import ready_facts

DIGEST = f"sha256:{'0' * 64}"
NO_GUEST = Accelerator("none", "no virtual machine was asked for", False)
CPUS = CpuSplit(frozenset({0}), frozenset({1}))


_given: set[int] = set()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, another one each time: the kernel may give one twice."""
    while True:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = int(found.getsockname()[1])
        if port not in _given:
            _given.add(port)
            return port


def no_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else this machine does, its counters stand still: no trial is invalid because of it.

    What the instrument itself used is then of no interest, and finding it out would read all of /proc.
    """

    def read(_groups: Iterable[CgroupReader]) -> NoiseCounters:
        return NoiseCounters(CpuTimes(busy=0, total=1000, steal=0), throttled_periods=0, swapped_in_pages=0, load1=0.1)

    monkeypatch.setattr(NoiseCounters, "read", read)
    monkeypatch.setattr(cpu, "own_ns", lambda _instances: 0)


def experiment(targets: Iterable[str] = ("fake",), **changes: object) -> Experiment:
    """A short one: two blocks at one rate. ``changes`` replace whole keys."""
    names = list(targets)
    data: dict[str, object] = {
        "name": "fake",
        "question": "What does a fake weigh?",
        "workload": "fake",
        "matrix": {"targets": names},
        "baseline": names[0],
        "repeats": 2,
        "seed": 7,
        "settle_s": 0,
        "load": {"rates_rps": [100], "warmup_s": 0, "duration_s": 0.01, "capacity_s": 0.01},
    }
    return Experiment.of_stored(data | changes)


CALIBRATED: dict[str, object] = {
    "load": {"capacity_shares": [0.5], "warmup_s": 0, "duration_s": 0.01, "capacity_s": 0.01}
}
"""``changes`` for an experiment whose rate a calibration finds first."""


def deployable(folder: Path) -> Deployable:
    """What the fake target answers as, at a free port."""
    config = ImageConfig(argv=(sys.executable,), env=(("PATH", os.defpath), ("HOME", "/")))
    member = Member(port=free_port(), ready=Readiness(path="/health", timeout_s=5))
    return Deployable(member, Artifact("fake", DIGEST, folder, config, "the tests", True))


def manifest(spec: Experiment, planned: Plan) -> Manifest:
    """As harness.campaign.prepare would write it."""
    return Manifest(
        campaign="20261124-000000-fake-abc123",
        created_utc=utc_now(),
        tare_version="0",
        tare_commit="unknown",
        command=("tare", "run"),
        experiment=spec.model_dump(mode="json"),
        capabilities=REGISTERED,
        spec_digest=spec_digest(spec),
        seed=spec.seed,
        quick=False,
        host=host_record(ready_facts(), NO_GUEST),
        generator_cpus=(0,),
        service_cpus=(1,),
        artifacts={SERVICE: ArtifactRecord(digest=DIGEST, source="the tests")},
        artifact_embedded=True,
        variants=planned.variants,
    )


@dataclass
class Told:
    """An observer: what it was told, in order."""

    calibrations: int = 0
    attempts: list[tuple[str, int]] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    records: list[TrialRecord] = field(default_factory=list)

    def calibrating(self) -> None:
        self.calibrations += 1

    def began(self, trial: PlannedTrial, attempt: int, left: Iterable[PlannedTrial]) -> None:
        self.attempts.append((trial.name, attempt))
        self.left.append(len(list(left)))

    def ended(self, trial: PlannedTrial, record: TrialRecord, *, again: bool) -> None:  # noqa: ARG002 - the observer's signature
        assert trial.name == record.trial
        self.records.append(record)


@dataclass
class Bench:
    """A campaign in the folder ``path`` that can be run, ended in the middle, and taken up again."""

    path: Path
    spec: Experiment
    targets: Mapping[str, Target]
    instruments: FakeInstruments = field(default_factory=FakeInstruments)
    exchanges: tuple[Exchange, ...] = ()
    told: Told = field(default_factory=Told)
    floors: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.plan = plan(self.spec)
        self.folder = CampaignFolder.create(self.path, manifest(self.spec, self.plan))
        self.deployable = deployable(self.path)

    @property
    def service(self) -> Service:
        """What is launched in every trial."""
        made = self.deployable
        return Service.of(made.artifact, made.spec, Limits(), CPUS.service)

    @property
    def setting(self) -> CampaignContext:
        return CampaignContext(
            experiment=self.spec,
            members={SERVICE: self.deployable},
            topologies={SINGLE: Topology(services=(SERVICE,), routes={"/": SERVICE})},
            targets=self.targets,
            proxies={},
            certificates={},
            exchanges=self.exchanges,
            locustfile=None,
            cpus=CPUS,
            folder=self.folder,
            instruments=self.instruments,
        )

    def run(self) -> Told:
        """Run what is left of the plan, on the folder as it lies on the disk."""
        self.folder = CampaignFolder.open(self.path)
        self.told = Told()
        CampaignRun(self.plan, self.setting, self.told, self._floor).run()
        return self.told

    def _floor(self, rate_rps: float) -> NullFloor:
        self.floors.append(rate_rps)
        return null_floor(rate_rps)


def bench(path: Path, *targets: Target, **changes: object) -> Bench:
    """A bench over these targets, by their names; over one good one if none is given."""
    chosen = targets or (FakeTarget(),)
    return Bench(path, experiment([target.name for target in chosen], **changes), {each.name: each for each in chosen})
