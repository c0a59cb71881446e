"""What an experiment's workload and proxies resolve to, and what is refused before anything is built."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harness.artifacts.api import Artifact
from harness.campaign import resolve
from harness.campaign.resolve import artifact_records, proxies_of, source_of
from harness.errors import BuildError, ExitCode, SpecError, Unavailable
from harness.planning.validate import validate
from harness.proxies import certificates
from harness.proxies.registry import PROXIES
from harness.spec.experiment import Experiment
from harness.spec.topology import SERVICE, SINGLE
from harness.spec.workload import Workload
from tests.support import fake_campaign
from tests.support.fake_sets import FakeProxy, artifact_of, digest

WORKLOAD = """
name = "shop"
[roots.python]
[services]
broker = { root = "python", port = 4222 }
catalog = { root = "python", port = 8001, needs = ["broker"] }
all = { root = "python", port = 8000 }
[topologies]
parts = { services = ["broker", "catalog"], routes = { "/items" = "catalog" } }
whole = { services = ["all"], routes = { "/" = "all" } }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "shop"
    (path / "app").mkdir(parents=True)
    (path / "locustfile.py").touch()
    (path / "workload.toml").write_text(WORKLOAD)
    return path


def experiment(
    topologies: tuple[str, ...] = ("parts",),
    proxies: tuple[str, ...] = ("direct",),
    targets: tuple[str, ...] = ("process",),
    **changes: object,
) -> Experiment:
    """An experiment on the shop; ``kinds`` among ``changes`` is its table of proxies."""
    named = [part for part in (topologies[0], targets[0], proxies[0]) if part not in (SINGLE, "direct")]
    return fake_campaign.experiment(
        targets,
        workload="shop",
        baseline="-".join(named),
        matrix={"targets": targets, "topologies": topologies, "proxies": proxies},
        proxies=changes.pop("kinds", {}),
        **changes,
    )


def refused(spec: Experiment, folder: Path | None) -> SpecError:
    """What is wrong with it: in one line each."""
    with pytest.raises(SpecError) as caught:
        validate(spec, folder)
    assert "\n" not in caught.value.what + caught.value.remedy
    assert caught.value.remedy
    assert caught.value.exit_code is ExitCode.USAGE
    return caught.value


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The services that were built, in order."""
    names: list[str] = []

    def build(_folder: Path, workload: Workload, name: str = SERVICE) -> Artifact:
        names.append(name)
        return artifact_of(name, len(names), workload.members[name], tmp_path)

    monkeypatch.setattr(resolve, "build_workload", build)
    monkeypatch.setattr(resolve, "build_embedded", build)
    return names


def test_what_is_known_is_accepted(folder: Path) -> None:
    events = [{"kind": "kill", "service": "broker"}, {"kind": "kill", "route": "/items/1"}]
    placements = {"mixed": {"default": "process", "catalog": "vm", "all": "vm", "proxy": "process"}}
    validate(experiment(proxies=("direct", "nginx"), events=events, placements=placements), folder)
    validate(experiment(("parts", "whole")), folder)


def test_an_unknown_topology_is_named_with_the_known_ones(folder: Path) -> None:
    found = refused(experiment(("parts", "pats")), folder)
    assert found.what == "shop has no topology 'pats'."
    assert found.remedy == "Its topologies are: parts, whole."
    assert refused(experiment((SINGLE,)), folder).what == "shop has no topology 'single'."


def test_an_unknown_kind_of_proxy_is_named_with_the_known_ones(folder: Path) -> None:
    for spec in (experiment(proxies=("ngnix",)), experiment(proxies=("cdn",), kinds={"cdn": {"kind": "ngnix"}})):
        found = refused(spec, folder)
        assert found.what == "There is no proxy 'ngnix'."
        assert found.remedy.startswith("Known proxies: direct, nginx, ")


@pytest.mark.parametrize(
    ("event", "what", "remedy"),
    [
        ({"service": "auth"}, "An event happens to 'auth', which parts-process does not have.", "broker, catalog"),
        ({"service": "all"}, "An event happens to 'all', which parts-process does not have.", "route instead"),
        ({"route": "/pay"}, "An event of parts-process: no route leads to /pay.", "the topology's routes"),
    ],
)
def test_an_event_of_nobody_is_told(folder: Path, event: dict[str, object], what: str, remedy: str) -> None:
    found = refused(experiment(events=[{"kind": "kill", **event}]), folder)
    assert found.what == what
    assert remedy in found.remedy


def test_an_event_is_checked_for_the_variants_that_it_happens_to_alone(folder: Path) -> None:
    events = [{"kind": "kill", "service": "auth", "targets": ["vm"]}]
    validate(experiment(events=events), folder)
    assert "parts-vm" in refused(experiment(events=events, targets=("process", "vm")), folder).what


@pytest.mark.parametrize(
    ("event", "what", "remedy"),
    [
        (
            {"kind": "kill", "replica": 2},
            "An event happens to replica 2 of catalog, of which parts-process has 1.",
            "Give a smaller replica",
        ),
        (
            {"kind": "scale", "replicas": 3},
            "parts-process cannot scale catalog: no orchestrator keeps it on process.",
            "Deploy it on swarm",
        ),
    ],
)
def test_an_event_that_cannot_be_is_told_before_anything_is_deployed(
    folder: Path, event: dict[str, object], what: str, remedy: str
) -> None:
    found = refused(experiment(events=[{"service": "catalog", **event}]), folder)
    assert found.what == what
    assert remedy in found.remedy


def test_a_replica_that_an_earlier_event_makes_can_be_killed(folder: Path) -> None:
    scale = {"kind": "scale", "service": "catalog", "replicas": 3}
    kill = {"kind": "kill", "service": "catalog", "replica": 3}
    validate(experiment(events=[scale, kill], targets=("swarm",)), folder)
    assert "replica 3" in refused(experiment(events=[kill, scale], targets=("swarm",)), folder).what


def test_a_placement_of_a_stranger_is_told_with_the_services_that_there_are(folder: Path) -> None:
    found = refused(experiment(placements={"mixed": {"default": "process", "auth": "vm"}}), folder)
    assert found.what == "placements.mixed places 'auth', which is no service of shop."
    assert found.remedy == "Its services are: all, broker, catalog; and proxy."


def test_an_image_is_one_service() -> None:
    spec = fake_campaign.experiment(["process"], workload="image:nginx", service={"port": 80})
    validate(spec, None)
    assert "has no topology 'parts'" in refused(spec.model_copy(update={"matrix": experiment().matrix}), None).what


def test_only_what_is_deployed_is_built_and_each_service_once(folder: Path, built: list[str]) -> None:
    spec = experiment(("parts", "whole"))
    source = source_of(spec, folder, spec.variants[:1] * 2, embedded=False)
    assert built == ["broker", "catalog"] == list(source.members)
    assert list(source.topologies) == ["parts"]
    assert source.locustfile == folder / "locustfile.py"
    assert [artifact.name for artifact in source.artifacts] == built
    records = artifact_records(source, {"cdn": FakeProxy(folder)})
    assert {name: record.digest for name, record in records.items()} == {
        "broker": digest(1), "catalog": digest(2), "proxy:cdn": digest(99),
    }  # fmt: skip


def test_services_that_share_an_artifact_have_it_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        resolve, "build_workload", lambda _f, workload, name: artifact_of(name, 7, workload.members[name], folder)
    )
    source = source_of(experiment(), folder, experiment().variants, embedded=False)
    assert (len(source.members), len(source.artifacts)) == (2, 1)


def test_a_set_cannot_be_deployed_embedded(folder: Path, built: list[str]) -> None:
    with pytest.raises(Unavailable, match="is a set of services") as caught:
        source_of(experiment(), folder, experiment().variants, embedded=True)
    assert caught.value.remedy == "sudo -E tare run …"
    assert built == []


def test_a_workload_without_its_folder_or_an_image_without_a_service_is_refused() -> None:
    with pytest.raises(SpecError, match="folder of workload 'shop' is not known"):
        source_of(experiment(), None, experiment().variants, embedded=False)
    bare = experiment().model_copy(update={"workload": "image:nginx"})
    with pytest.raises(SpecError, match=r"needs a \[service\] table"):
        source_of(bare, None, bare.variants, embedded=False)


class Prepared(FakeProxy):
    """Counts how often it is made."""

    made = 0

    def __init__(self) -> None:
        type(self).made += 1
        super().__init__(Path("/nowhere"))


class Unbuildable(Prepared):
    def prepare(self) -> Artifact:
        raise BuildError("its packages cannot be had", "Look at the mirror.")


@pytest.fixture
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Prepared, "made", 0)
    monkeypatch.setitem(PROXIES, "good", Prepared)
    monkeypatch.setitem(PROXIES, "bad", Unbuildable)


@pytest.mark.usefixtures("kinds")
def test_a_proxy_is_made_once_and_one_that_cannot_be_is_told() -> None:
    spec = experiment(proxies=("direct", "good", "other", "bad"), kinds={"other": {"kind": "good"}})
    proxies, given, missing = proxies_of(spec, spec.variants * 2)
    assert list(proxies) == ["good", "other"]
    assert given == {}
    assert {name: error.what for name, error in missing.items()} == {"bad": "its packages cannot be had"}
    assert Prepared.made == 2


@pytest.mark.usefixtures("kinds")
def test_only_the_proxies_that_are_wanted_are_made() -> None:
    spec = experiment(proxies=("direct", "good", "bad"))
    direct = [variant for variant in spec.variants if variant.proxy == "direct"]
    assert proxies_of(spec, direct) == ({}, {}, {})
    assert Prepared.made == 0


def with_certificate(path: Path) -> Experiment:
    return experiment(proxies=("cdn",), kinds={"cdn": {"kind": "good", "tls": True, "certificate": str(path)}})


@pytest.mark.usefixtures("kinds")
def test_the_users_certificate_is_read_before_anything_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "proxy.pem"
    made = certificates.make("127.0.0.1", days=1)
    file.write_text(made.key_pem + made.chain_pem)
    spec = with_certificate(file)
    _, given, _ = proxies_of(spec, spec.variants)
    assert given["cdn"].key_pem == made.key_pem

    monkeypatch.setattr(Prepared, "prepare", lambda _proxy: pytest.fail("it began to build"))
    file.write_text(made.key_pem)
    with pytest.raises(SpecError, match="holds no certificate"):
        proxies_of(spec, spec.variants)
    with pytest.raises(SpecError, match=f"there is no certificate {tmp_path / 'none.pem'}"):
        proxies_of(missing := with_certificate(tmp_path / "none.pem"), missing.variants)


@pytest.mark.usefixtures("kinds")
def test_a_certificate_that_has_expired_is_refused_with_the_day(tmp_path: Path) -> None:
    file = tmp_path / "proxy.pem"
    made = certificates.make("127.0.0.1", days=0)
    file.write_text(made.key_pem + made.chain_pem)
    spec = with_certificate(file)
    with pytest.raises(SpecError, match=f"{file}: the certificate expired on ") as caught:
        proxies_of(spec, spec.variants)
    assert f"{datetime.now(UTC) - timedelta(minutes=1):%Y-%m}" in caught.value.what
    assert caught.value.remedy == "renew it, or let Tare make one"
    assert caught.value.exit_code is ExitCode.USAGE
