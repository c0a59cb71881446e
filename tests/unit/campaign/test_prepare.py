"""From a request to a campaign that can run: variants, workload, and what this host lacks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.artifacts.api import Artifact, ImageConfig
from harness.campaign import prepare, resolve
from harness.errors import SpecError, StoreError, Unavailable
from harness.host.facts import HostFacts
from harness.planning.choice import chosen_variants, find_workload
from harness.spec.experiment import Experiment
from harness.spec.files import read_experiment
from harness.spec.topology import SERVICE
from harness.targets.api import Availability
from harness.trial.campaign_context import CampaignContext
from tests.support import fake_campaign
from tests.support.fake_host import FakeHost, Unbuildable, prepared, use_targets
from tests.support.fake_instruments import FakeInstruments
from tests.support.fakes import FakeTarget

TARGETS = ("process", "container", "vm")


class Absent(FakeTarget):
    """Its engine does not answer."""

    name = "absent"

    def available(self, _host: HostFacts) -> Availability:
        return Availability(False, "no fake engine answers", "tare provision")


class Rooted(FakeTarget):
    """Needs a root file system."""

    name = "rooted"
    takes_embedded = False


def spec(**changes: object) -> Experiment:
    return fake_campaign.experiment(TARGETS, matrix={"targets": list(TARGETS), "aa": "process"}, **changes)


@pytest.mark.parametrize(
    ("only", "names"),
    [
        (None, ["process", "process-aa", "container", "vm"]),
        ("*", ["process", "process-aa", "container", "vm"]),
        ("process*", ["process", "process-aa"]),
        ("process", ["process"]),
        ("*-aa", ["process-aa"]),
        ("[cv]*", ["container", "vm"]),
    ],
)
def test_only_is_a_glob_over_names(only: str | None, names: list[str]) -> None:
    assert [variant.name for variant in chosen_variants(spec(), only)] == names


@given(st.text(max_size=20))
def test_only_keeps_the_order_or_says_which_variants_there_are(only: str) -> None:
    every = spec().variants
    try:
        kept = chosen_variants(spec(), only)
    except SpecError as error:
        assert error.remedy == "The variants are: process, process-aa, container, vm."  # noqa: PT017 - either may be
    else:
        assert kept == tuple(variant for variant in every if variant in kept)


def test_an_unknown_target_is_named_with_the_known_ones() -> None:
    with pytest.raises(SpecError) as caught:
        chosen_variants(fake_campaign.experiment(["process", "lambda"]), None)
    assert caught.value.what == "There is no target 'lambda'."
    # Other tests register targets of their own for a while, which changes the order.
    known = caught.value.remedy.removeprefix("Known targets: ").removesuffix(".").split(", ")
    assert sorted(known) == ["container", "process", "swarm", "vm"]


def test_a_workload_is_found_beside_the_experiment_and_then_below_the_working_folder(
    host: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = read_experiment(host.experiment)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert find_workload(experiment, host.experiment) == host.workload
    with pytest.raises(SpecError, match="There is no workload 'tiny'"):
        find_workload(experiment, elsewhere / "benches" / "x.toml")
    monkeypatch.chdir(tmp_path)
    assert find_workload(experiment, elsewhere / "benches" / "x.toml") == host.workload
    assert find_workload(experiment, None) == host.workload


@pytest.mark.parametrize("name", ["../tiny", "workloads/tiny", "/etc", ".", ".hidden"])
def test_a_workload_is_a_name_and_no_path(name: str) -> None:
    with pytest.raises(SpecError, match="is not a name"):
        find_workload(spec(workload=name), None)


def test_an_image_has_no_folder() -> None:
    assert find_workload(spec(workload="image:nginx", service={"port": 80}), None) is None


def artifact_of(setting: CampaignContext) -> Artifact:
    return setting.members[SERVICE].artifact


def test_a_campaign_is_ready_to_run_and_its_manifest_tells_all(host: FakeHost) -> None:
    planned, setting = prepared(host)
    manifest = setting.folder.manifest
    assert [variant.name for variant in planned.variants] == [variant.name for variant in manifest.variants]
    assert set(setting.targets) == {"fake", "other"}
    assert manifest.artifact_embedded
    assert {name: each.digest for name, each in manifest.artifacts.items()} == {SERVICE: artifact_of(setting).digest}
    assert set(manifest.prepare_s) == {"fake", "other"}
    assert manifest.unavailable == ()
    assert manifest.host.hostname == host.facts.hostname
    assert setting.cpus.generator.isdisjoint(setting.cpus.service)
    assert setting.locustfile == host.workload / "locustfile.py"
    assert setting.folder.path.parent == Path("results")
    assert setting.folder.path.name == manifest.campaign
    assert manifest.campaign.endswith(f"-tiny-{manifest.tag}")
    assert setting.folder.experiment() == setting.experiment


@pytest.mark.parametrize(
    ("lack", "reason", "fix"),
    [
        ({"root": False}, "this user is not root", "sudo -E tare run …"),
        ({"cgroup_writable": False}, "no control group can be made on this host", "tare doctor"),
        ({"tools": {}}, "mmdebstrap is not installed", "tare provision"),
    ],
)
def test_without_a_root_file_system_it_runs_embedded_and_says_what_cannot(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch, lack: dict[str, object], reason: str, fix: str
) -> None:
    use_targets(monkeypatch, FakeTarget, Rooted)
    host.edit('"other"', '"rooted"')
    host.facts = replace(host.facts, **({"root": True} | lack))  # type: ignore[arg-type]  # of many types
    monkeypatch.setattr(prepare, "RealInstruments", loopback_only)
    planned, setting = prepared(host)
    assert [variant.name for variant in planned.variants] == ["fake"]
    assert artifact_of(setting).embedded
    (missing,) = setting.folder.manifest.unavailable
    assert (missing.target, missing.reason, missing.fix) == ("rooted", f"it needs a root file system: {reason}", fix)


def loopback_only(*, loopback: bool) -> FakeInstruments:
    assert loopback
    return FakeInstruments()


def built(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Stands in for a builder that needs root or an engine."""

    def build(*_arguments: object) -> Artifact:
        return Artifact("tiny", fake_campaign.DIGEST, Path("unused"), ImageConfig(argv=("true",)), "the tests")

    monkeypatch.setattr(resolve, name, build)


def test_a_host_that_has_everything_gives_each_target_a_root_file_system(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_targets(monkeypatch, FakeTarget, Rooted)
    host.edit('"other"', '"rooted"')
    host.facts = replace(host.facts, root=True)
    built(monkeypatch, "build_workload")
    _, setting = prepared(host)
    assert set(setting.targets) == {"fake", "rooted"}
    assert not setting.folder.manifest.artifact_embedded


def test_regions_need_root_because_they_are_bridges(host: FakeHost) -> None:
    host.edit("[load]", '[geography]\npreset = "five-regions"\norigin = "us-east"\n[load]')
    with pytest.raises(Unavailable) as caught:
        prepared(host)
    assert caught.value.what == "Regions need the lab's bridges: this user is not root."
    assert caught.value.remedy == "sudo -E tare run …"


def test_an_image_needs_root_because_it_is_a_root_file_system(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    host.edit('workload = "tiny"', 'workload = "image:nginx"\nservice = { port = 80 }')
    built(monkeypatch, "build_from_image")
    with pytest.raises(Unavailable) as caught:
        prepared(host)
    assert "only root can give it a root file system" in caught.value.what
    assert caught.value.remedy == "sudo -E tare run …"
    host.facts = replace(host.facts, root=True)
    _, setting = prepared(host)
    assert set(setting.targets) == {"fake", "other"}
    assert setting.folder.manifest.workload_folder is None
    assert setting.locustfile is None


@pytest.mark.parametrize(
    ("kind", "reason", "fix"),
    [
        (Absent, "no fake engine answers", "tare provision"),
        (Unbuildable, "tiny cannot be packed", "Make it smaller."),
    ],
)
def test_a_target_that_cannot_be_used_is_recorded_and_the_others_go_on(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch, kind: type[FakeTarget], reason: str, fix: str
) -> None:
    use_targets(monkeypatch, FakeTarget, kind)
    monkeypatch.setattr(kind, "takes_embedded", kind is Unbuildable)
    host.edit('"other"', f'"{kind.name}"')
    planned, setting = prepared(host)
    assert {variant.name for variant in planned.variants} == {"fake"} == set(setting.targets)
    (missing,) = setting.folder.manifest.unavailable
    assert (missing.target, missing.reason, missing.fix) == (kind.name, reason, fix)
    assert set(setting.folder.manifest.prepare_s) == {"fake"}


@pytest.mark.parametrize("kind", [Absent, Unbuildable])
def test_without_any_target_there_is_no_campaign_and_every_reason_is_told(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch, kind: type[FakeTarget]
) -> None:
    use_targets(monkeypatch, FakeTarget, kind)
    monkeypatch.setattr(kind, "takes_embedded", kind is Unbuildable)
    host.edit('"other"', f'"{kind.name}"')
    with pytest.raises(Unavailable) as caught:
        prepared(host, only=kind.name)
    assert caught.value.what.startswith(f"This host cannot run what was asked for: {kind.name}: ")
    assert caught.value.remedy
    assert not Path("results").exists()


def test_a_folder_that_holds_a_campaign_is_refused_before_anything_is_prepared(
    host: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, first = prepared(host, out=tmp_path / "out")
    assert first.folder.path == tmp_path / "out"
    monkeypatch.setattr(resolve, "build_embedded", lambda *_arguments: pytest.fail("it began to build"))
    with pytest.raises(StoreError) as caught:
        prepared(host, out=tmp_path / "out")
    assert "holds a campaign already" in caught.value.what
    assert caught.value.exit_code == 2
