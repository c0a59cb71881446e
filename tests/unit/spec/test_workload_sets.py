"""A workload of several services: what it looks like from outside, and how its mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import ExitCode, SpecError
from harness.spec.files import read_workload
from harness.spec.sequence import CatalogueSpec
from harness.spec.topology import SERVICE, SINGLE

GOOD = """
name = "shop"

[roots.python]
packages = ["python3"]

[services.broker]
root = "python"
port = 4222

[services.catalog]
root = "python"
port = 8001
needs = ["broker"]
env = { BROKER = "${broker.address}" }

[services.payments]
root = "python"
port = 8002
needs = ["broker", "catalog"]

[topologies.whole]
services = ["payments", "catalog", "broker"]
routes = { "/pay" = "payments", "/" = "catalog" }

[topologies.small]
services = ["broker", "catalog"]
routes = { "/" = "catalog" }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "shop"
    (path / "app").mkdir(parents=True)
    (path / "locustfile.py").touch()
    (path / "workload.toml").write_text(GOOD)
    return path


def test_a_set_looks_like_a_single_service_from_outside(folder: Path) -> None:
    found = read_workload(folder)
    assert list(found.members) == ["broker", "catalog", "payments"]
    assert list(found.sets) == ["whole", "small"]
    assert list(found.root_file_systems) == ["python"]
    (folder / "workload.toml").write_text('name = "shop"\n[service]\nport = 80\n')
    single = read_workload(folder)
    assert {name: member.port for name, member in single.members.items()} == {SERVICE: 80}
    assert {name: each.services for name, each in single.sets.items()} == {SINGLE: (SERVICE,)}


@pytest.mark.parametrize(
    ("old", "new", "told", "allowed"),
    [
        (
            "port = 4222", 'port = 4222\nneeds = ["payments"]',
            "topologies.whole: services need each other in a circle: ", " → ",
        ),
        ('needs = ["broker"]', 'needs = ["catalog"]', "circle: catalog → catalog", ""),
        (
            'routes = { "/" = "catalog" }', 'routes = { "/" = "payments" }',
            "topologies.small: routes: / leads to 'payments', which is not one of its services", "",
        ),
        (
            "${broker.address}", "${payments.host}",
            "topologies.small: the env of catalog names 'payments', which is not one of its services", "",
        ),
        ("${broker.address}", "${nobody.port}", "the env of catalog names 'nobody'", ""),
        ("port = 8001", "port = 4222", "topologies.whole: catalog and broker both listen on port 4222", ""),
        ('needs = ["broker"]', 'needs = ["payments"]', "topologies.small: catalog needs 'payments', which is not", ""),
        (
            'services = ["broker", "catalog"]', 'services = ["broker", "catalog", "auth"]',
            "topologies.small: 'auth' is not one of [services]", "broker, catalog, payments",
        ),
        ('root = "python"\nport = 4222', 'root = "node"\nport = 4222', "services.broker.root = 'node'", "python"),
        ("port = 4222", "prot = 4222", "services.broker.prot is not a known key", "argv, env, needs, next, port"),
        ("port = 4222", "port = 0", "services.broker.port", "at least 1, at most 65535"),
        ("port = 4222", "", "services.broker.port is missing", ""),
        ('"/pay" = "payments"', '"pay" = "payments"', "topologies.whole.routes.pay", "^/"),
        ("[roots.python]", "[rootfs]\n[roots.python]", "a set has [roots.NAME] instead of [rootfs]", ""),
        ("[roots.python]", "[service]\nport = 1\n[roots.python]", "give either one [service], or [services.NAME]", ""),
    ],
)  # fmt: skip
def test_a_mistake_is_named_by_file_key_and_what_is_allowed(
    folder: Path, old: str, new: str, told: str, allowed: str
) -> None:
    assert old in GOOD
    text = GOOD.replace(old, new, 1)
    if "small" in told:
        # The other topology is checked first.
        text = text.replace(GOOD[GOOD.index("[topologies.whole]") : GOOD.index("[topologies.small]")], "")
    (folder / "workload.toml").write_text(text)
    found = refused(folder)
    assert told in found.what
    assert allowed in f"{found.what} {found.remedy}"


def refused(folder: Path) -> SpecError:
    with pytest.raises(SpecError) as caught:
        read_workload(folder)
    assert caught.value.what.startswith(f"{folder / 'workload.toml'}: ")
    assert "\n" not in caught.value.what + caught.value.remedy
    assert caught.value.remedy
    assert caught.value.exit_code is ExitCode.USAGE
    return caught.value


@pytest.mark.parametrize("cut", ["[services.broker]", "[topologies.whole]"])
def test_services_and_topologies_belong_together(folder: Path, cut: str) -> None:
    other = "[topologies.whole]" if cut == "[services.broker]" else None
    text = GOOD[: GOOD.index(cut)] + (GOOD[GOOD.index(other) :] if other else "")
    (folder / "workload.toml").write_text(text)
    assert "[services.NAME]" in refused(folder).what


def test_a_catalogue_and_the_root_that_wants_it_belong_together(folder: Path) -> None:
    file = folder / "workload.toml"
    wanted = GOOD.replace('packages = ["python3"]', 'packages = ["python3"]\ncatalogue = "data/sizes.u32"', 1)
    for text in (wanted, GOOD + "[catalogue]\nobjects = 10\n"):
        file.write_text(text)
        assert "[catalogue] and the key catalogue of a root file system belong together" in refused(folder).what
    file.write_text(wanted + "[catalogue]\nobjects = 10\nsize_bytes = 100\n")
    found = read_workload(folder)
    assert found.catalogue == CatalogueSpec(objects=10, size_bytes=100)
    assert found.roots["python"].catalogue == "data/sizes.u32"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("objects = 0", "catalogue.objects"),
        ("objects = 10000001", "catalogue.objects"),
        ("requests = 5", "catalogue.requests is not a known key"),
        ("size_sigma = -1", "catalogue.size_sigma"),
        ("seed = -1", "catalogue.seed"),
    ],
)
def test_a_mistake_in_a_catalogue_is_named(folder: Path, line: str, told: str) -> None:
    (folder / "workload.toml").write_text(f"{GOOD}[catalogue]\n{line}\n")
    assert told in refused(folder).what


def test_a_catalogue_stays_in_the_app_tree(folder: Path) -> None:
    text = GOOD.replace('packages = ["python3"]', 'catalogue = "../sizes"', 1)
    (folder / "workload.toml").write_text(f"{text}[catalogue]\n")
    assert "roots.python.catalogue" in refused(folder).what
