"""Root file systems of a set, really built: with Node packages, reproducibly, and one image for several services."""

from __future__ import annotations

from pathlib import Path

import docker
import pytest

from harness.artifacts.api import Artifact
from harness.artifacts.builders.rootfs import build_workload
from harness.artifacts.digest import tar_digest
from harness.artifacts.packagings.image import ensure_image
from tests.support.shop import FOLDER, WORKLOAD
from tests.support.twice import twice

pytestmark = pytest.mark.timeout(1500)


def build(service: str) -> Artifact:
    return build_workload(FOLDER, WORKLOAD, service)


def test_a_root_with_node_packages_is_the_same_whenever_it_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = twice(lambda: build("payments-node"), tmp_path, monkeypatch)
    assert first.folder != second.folder
    assert first.digest == second.digest == tar_digest(first.tar)
    assert first.tar.read_bytes() == second.tar.read_bytes()


def test_services_of_one_root_are_launched_from_one_image_that_holds_nothing_of_theirs() -> None:
    auth, catalog = build("auth"), build("catalog")
    client = docker.from_env()
    try:
        first = client.images.get(ensure_image(auth)).id
        image = client.images.get(ensure_image(catalog))
    finally:
        client.close()
    assert image.id == first, "preparing one service does not replace another's image"
    assert {entry.partition("=")[0] for entry in image.attrs["Config"]["Env"]} == {"PATH", "HOME"}
