"""The table of a catalogue's sizes: what it holds, and that it is part of what an artifact is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from harness.artifacts.builders.catalogue import catalogue_table, write_catalogue
from harness.artifacts.builders.embedded import build_embedded
from harness.artifacts.builders.rootfs import workload_inputs
from harness.errors import SpecError
from harness.simulation.catalogue import Catalogue
from harness.spec.files import read_workload
from harness.spec.sequence import CatalogueSpec

WORKLOADS = Path(__file__).resolve().parents[4] / "workloads"
SMALL = CatalogueSpec(objects=1_000)


def test_the_table_is_the_catalogue() -> None:
    found = np.frombuffer(catalogue_table(SMALL), "<u4")
    assert (found == Catalogue.of(SMALL).sizes).all()


def test_the_sizes_are_part_of_the_key_and_nobody_elses_key_has_changed(tmp_path: Path) -> None:
    folder = tmp_path / "static"
    shutil.copytree(WORKLOADS / "static", folder)
    spec = read_workload(folder).roots["main"]
    keys = {workload_inputs(folder, spec, CatalogueSpec(objects=10, seed=seed)).key for seed in (1, 2)}
    elsewhere = spec.model_copy(update={"catalogue": "other.u32"})
    assert len(keys | {workload_inputs(folder, elsewhere, CatalogueSpec(objects=10)).key}) == 3
    hello = read_workload(WORKLOADS / "hello")
    inputs = workload_inputs(WORKLOADS / "hello", hello.rootfs, None)
    assert set(inputs.values) == {"rootfs", "app", "lock", "machine"}
    assert "catalogue" not in json.loads(inputs.values["rootfs"])


def test_it_is_written_where_nothing_is_yet(tmp_path: Path) -> None:
    write_catalogue(SMALL, tmp_path, "data/catalogue.u32")
    assert (tmp_path / "data/catalogue.u32").read_bytes() == catalogue_table(SMALL)
    with pytest.raises(SpecError, match="the app tree already has a 'data/catalogue"):
        write_catalogue(SMALL, tmp_path, "data/catalogue.u32")
    (tmp_path / "out").symlink_to(tmp_path.parent)
    with pytest.raises(SpecError, match="leads out of the app tree"):
        write_catalogue(SMALL, tmp_path, "out/catalogue.u32")
    assert not (tmp_path.parent / "catalogue.u32").exists()


def test_an_artifact_has_it_and_another_catalogue_makes_another_artifact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TARE_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "origin"
    (folder / "app").mkdir(parents=True)
    (folder / "app/main.py").write_text("print('here')\n")
    (folder / "locustfile.py").touch()
    digests = set()
    for seed in (1, 1, 2):
        (folder / "workload.toml").write_text(
            f'name = "origin"\n[rootfs]\ncatalogue = "sizes"\n[catalogue]\nobjects = 50\nseed = {seed}\n'
            '[service]\nargv = ["python3", "/app/main.py"]\nport = 80\n'
        )
        workload = read_workload(folder)
        assert workload.catalogue is not None
        made = build_embedded(folder, workload)
        assert (made.directory / "app/sizes").read_bytes() == catalogue_table(workload.catalogue)
        digests.add(made.digest)
    assert len(digests) == 2
