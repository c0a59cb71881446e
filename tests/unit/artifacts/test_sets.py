"""Artifacts of a set: what its services share, and what each has of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

from harness.artifacts.api import Artifact
from harness.artifacts.builders.embedded import adapted
from harness.artifacts.builders.rootfs import artifact_of, workload_inputs
from harness.artifacts.config import PLAIN
from harness.artifacts.entry import EntryRecord, write_entry
from harness.spec.files import read_workload

WORKLOADS = Path(__file__).resolve().parents[3] / "workloads"


def made(entry: Path, workload: str, service: str) -> Artifact:
    record = EntryRecord(key="k", source="the tests", digest=f"sha256:{'a' * 64}", tar_bytes=0, inputs={})
    entry.mkdir(exist_ok=True)
    write_entry(entry, record)
    return artifact_of(entry, read_workload(WORKLOADS / workload), service)


def test_services_of_one_root_share_everything_but_their_configuration(tmp_path: Path) -> None:
    auth, payments = (made(tmp_path / "entry", "shop", name) for name in ("auth", "payments"))
    assert (auth.name, auth.image, auth.folder) == (payments.name, payments.image, payments.folder)
    assert auth.name == "shop-python"
    assert dict(auth.config.env)["SHOP_SERVES"] == "auth"
    assert dict(payments.config.env)["SHOP_SERVES"] == "payments"
    assert auth.image_config == payments.image_config == PLAIN
    assert not any(name.startswith("SHOP_") for name, _ in PLAIN.env), "an engine would give it to all of them"


def test_a_workload_of_one_service_keeps_its_name_and_its_image_its_configuration(tmp_path: Path) -> None:
    hello = made(tmp_path / "entry", "hello", "svc")
    assert (hello.name, hello.image_config) == ("hello", None)
    assert hello.config.ports == (8000,)


def test_a_change_to_either_lock_is_another_root(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    shutil.copytree(WORKLOADS / "shop", folder)
    roots = read_workload(folder).root_file_systems
    before = {name: workload_inputs(folder, spec, None).key for name, spec in roots.items()}
    assert len(set(before.values())) == len(roots)
    lock = folder / "node" / "package-lock.json"
    lock.write_text(lock.read_text("utf-8") + "\n", "utf-8")
    after = {name: workload_inputs(folder, spec, None).key for name, spec in roots.items()}
    assert {name for name in roots if before[name] != after[name]} == {"node"}


def test_an_embedded_service_finds_its_app(tmp_path: Path) -> None:
    node = adapted(made(tmp_path / "entry", "shop", "payments-node").config, tmp_path / "app")
    assert node.argv == ("/usr/bin/node", f"{tmp_path}/app/main.js")
    assert node.workdir == f"{tmp_path}/app"
