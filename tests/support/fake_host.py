"""A host without engines and without root, whose targets are fakes: ``tare run`` from the file to the report."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from harness.analysis import Campaign
from harness.analysis.answer import answer
from harness.artifacts.api import Artifact
from harness.campaign import prepare, sweep
from harness.campaign.prepare import Request, begin
from harness.cli import run
from harness.errors import BuildError
from harness.host import facts
from harness.host.facts import HostFacts
from harness.host.processes import MARK
from harness.planning.choice import find_workload
from harness.planning.plan import Plan
from harness.records.load import NullFloor
from harness.runtime import locks
from harness.spec.files import read_experiment
from harness.targets.api import Target
from harness.targets.registry import TARGETS
from harness.trial.campaign_context import CampaignContext
from tests.support.fake_campaign import free_port, no_noise
from tests.support.fake_instruments import FakeInstruments, null_floor
from tests.support.fakes import FakeTarget
from tests.support.host_facts import ready_facts

EXPERIMENT = """
name = "tiny"
question = "What does a tiny service weigh?"
workload = "tiny"
baseline = "fake"
repeats = 2
settle_s = 0
[matrix]
targets = ["fake", "other"]
[load]
rates_rps = [100]
warmup_s = 0
duration_s = 0.01
capacity_s = 0.01
[quick]
repeats = 1
"""

WORKLOAD = """
name = "tiny"
[service]
argv = ["python3", "main.py"]
port = {port}
[service.ready]
path = "/health"
timeout_s = 5
"""


class OtherTarget(FakeTarget):
    """A second one, to compare with."""

    name = "other"


class Unbuildable(FakeTarget):
    """Its packaging cannot be made."""

    name = "unbuildable"

    def prepare(self, artifact: Artifact) -> None:
        raise BuildError(f"{artifact.name} cannot be packed", "Make it smaller.")


@dataclass
class FakeHost:
    """``folder`` holds ``benches/tiny.toml`` and ``workloads/tiny``; the working folder is there."""

    folder: Path
    facts: HostFacts
    instruments: FakeInstruments

    @property
    def experiment(self) -> Path:
        return self.folder / "benches" / "tiny.toml"

    @property
    def workload(self) -> Path:
        return self.folder / "workloads" / "tiny"

    def edit(self, old: str, new: str) -> None:
        """Replace text in the experiment's file."""
        text = self.experiment.read_text()
        assert old in text
        self.experiment.write_text(text.replace(old, new))


def make(folder: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    """Set up the folder, and keep everything that runs in this test away from the real host."""
    host = FakeHost(folder, replace(ready_facts(), root=False), FakeInstruments())
    for path, text in (
        (host.experiment, EXPERIMENT),
        (host.workload / "workload.toml", WORKLOAD.format(port=free_port())),
        (host.workload / "locustfile.py", ""),
        (host.workload / "app" / "main.py", "print('tiny')\n"),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.chdir(folder)
    no_noise(monkeypatch)
    use_targets(monkeypatch, FakeTarget, OtherTarget)
    run_folder = folder / "run"
    run_folder.mkdir()
    # As ``_campaign`` sets it for good, and this process is not the campaign's.
    monkeypatch.setenv(MARK, "tests")
    monkeypatch.setenv("TARE_CACHE", str(folder / "cache"))
    monkeypatch.setattr(locks, "run_dir", lambda: run_folder)
    monkeypatch.setattr(sweep, "leftovers", lambda _targets: [])
    monkeypatch.setattr(facts, "collect", lambda: host.facts)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(host.facts.cpus))
    monkeypatch.setattr(prepare, "RealInstruments", lambda *, loopback: _checked(loopback, host))
    monkeypatch.setattr(prepare, "tare_commit", lambda: "unknown")
    monkeypatch.setattr(run, "measure_floor", _floor)
    monkeypatch.setattr(run, "write_report", _report)
    return host


def prepared(host: FakeHost, **changes: object) -> tuple[Plan, CampaignContext]:
    """The campaign that ``tare run`` on the host's experiment would be given, with those changes of its request."""
    experiment = read_experiment(host.experiment)
    request = Request(experiment, find_workload(experiment, host.experiment), ("tare", "run"))
    return begin(replace(request, **changes), host.facts, lambda _line: None)  # type: ignore[arg-type]  # of many types


def use_targets(monkeypatch: pytest.MonkeyPatch, *kinds: type[Target]) -> None:
    """These and no others are registered."""
    for name in list(TARGETS):
        monkeypatch.delitem(TARGETS, name)
    for kind in kinds:
        monkeypatch.setitem(TARGETS, kind.name, kind)


def _checked(loopback: bool, host: FakeHost) -> FakeInstruments:
    assert loopback != host.facts.root
    return host.instruments


def _report(campaign: Campaign, path: Path) -> Path:
    """Quick; the real one takes half a second."""
    path.write_text(answer(campaign))
    return path


def _floor(rate_rps: float, *, setting: CampaignContext) -> NullFloor:
    assert setting.folder.null_floor() is None
    return null_floor(rate_rps)
