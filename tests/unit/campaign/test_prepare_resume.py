"""The way back into a campaign, and what is refused there."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.campaign.prepare import resume
from harness.errors import SpecError, StoreError, Unavailable
from harness.planning.plan import Plan
from harness.targets.api import Availability
from harness.trial.campaign_context import CampaignContext
from tests.support.fake_host import FakeHost, OtherTarget, Unbuildable, prepared


def again(host: FakeHost, path: Path) -> tuple[Plan, CampaignContext]:
    return resume(path, host.facts, lambda _line: None)


def test_a_resume_has_the_same_plan_and_the_same_setting(host: FakeHost) -> None:
    planned, setting = prepared(host, only="other")
    found_plan, found = again(host, setting.folder.path)
    assert found_plan == planned
    assert found.experiment == setting.experiment
    assert (found.members, found.topologies) == (setting.members, setting.topologies)
    assert (found.cpus, found.exchanges, found.locustfile) == (setting.cpus, setting.exchanges, setting.locustfile)
    assert found.folder.manifest == setting.folder.manifest


def test_a_resume_finds_the_workload_from_anywhere_and_through_a_link(
    host: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = tmp_path / "big" / "disk"
    disk.mkdir(parents=True)
    Path("results").symlink_to(disk)
    _, setting = prepared(host)
    assert again(host, setting.folder.path)[1].locustfile == host.workload / "locustfile.py"
    monkeypatch.chdir(disk)
    assert again(host, Path(setting.folder.path.name))[1].locustfile == host.workload / "locustfile.py"


def change_the_app(host: FakeHost, _monkeypatch: pytest.MonkeyPatch) -> None:
    (host.workload / "app" / "main.py").write_text("print('another')\n")


def change_the_kernel(host: FakeHost, _monkeypatch: pytest.MonkeyPatch) -> None:
    host.facts = replace(host.facts, kernel="9.9.9")


def change_the_machine(host: FakeHost, _monkeypatch: pytest.MonkeyPatch) -> None:
    host.facts = replace(host.facts, hostname="elsewhere")


def take_cpus_away(_host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0})


def lose_a_target(_host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = Availability(False, "its engine has gone", "tare provision")
    monkeypatch.setattr(OtherTarget, "available", lambda _self, _host: lost)
    monkeypatch.setattr(OtherTarget, "takes_embedded", False)


def lose_a_packaging(_host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OtherTarget, "prepare", Unbuildable.prepare)


def lose_the_workload(host: FakeHost, _monkeypatch: pytest.MonkeyPatch) -> None:
    (host.workload / "workload.toml").unlink()


@pytest.mark.parametrize(
    ("change", "kind", "what"),
    [
        (change_the_app, SpecError, "tiny has changed since"),
        (change_the_kernel, Unavailable, "on another machine or kernel: bench, Example CPU, 6.1.0-18-amd64"),
        (change_the_machine, Unavailable, "this is elsewhere, Example CPU, 6.1.0-18-amd64"),
        (take_cpus_away, Unavailable, "The campaign's CPUs may not be used now."),
        (lose_a_target, Unavailable, "other: its engine has gone"),
        (lose_a_packaging, Unavailable, "other: tiny cannot be packed"),
        (lose_the_workload, SpecError, "There is no workload 'tiny'"),
    ],
)
def test_a_resume_refuses_what_would_not_be_the_same_campaign(
    host: FakeHost,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[FakeHost, pytest.MonkeyPatch], None],
    kind: type[SpecError] | type[Unavailable],
    what: str,
) -> None:
    _, setting = prepared(host)
    change(host, monkeypatch)
    with pytest.raises(kind) as caught:
        again(host, setting.folder.path)
    assert what in caught.value.what
    assert caught.value.remedy


def test_a_resume_of_no_campaign(host: FakeHost, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="holds no campaign") as caught:
        again(host, tmp_path / "nothing")
    assert caught.value.exit_code == 2
