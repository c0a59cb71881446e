"""What is asked of npm, and what is kept of what it does. A script stands in for it: the real one is an engine test."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.artifacts.builders.npm import install_npm
from harness.errors import BuildError, SpecError, Unavailable

NPM = """#!/bin/sh
folder="$PWD"
grep -q broken "$folder/package-lock.json" && { echo "npm says why" >&2; exit 1; }
mkdir -p "$folder/node_modules/left-pad"
echo "$@" > "$folder/node_modules/left-pad/asked"
echo '{"resolved": "https://registry.invalid/"}' > "$folder/node_modules/.package-lock.json"
"""


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    folder = tmp_path / "node"
    folder.mkdir()
    for name in ("package.json", "package-lock.json"):
        (folder / name).write_text("{}")
    return folder


@pytest.fixture
def app(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    (folder / "node_modules" / "old").mkdir(parents=True)
    return folder


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "npm"
    program.parent.mkdir()
    program.write_text(NPM)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")


@pytest.mark.usefixtures("npm")
def test_the_lock_is_installed_without_scripts_and_without_traces(manifests: Path, tmp_path: Path, app: Path) -> None:
    install_npm(manifests, tmp_path / "work", app)
    assert [path.name for path in (app / "node_modules").iterdir()] == ["left-pad"]
    asked = (app / "node_modules" / "left-pad" / "asked").read_text().split()
    assert asked[0] == "ci"
    assert {"--ignore-scripts", "--omit=dev"} <= set(asked)
    assert not (manifests / "node_modules").exists()


@pytest.mark.usefixtures("npm")
def test_a_failure_carries_what_npm_said(manifests: Path, tmp_path: Path, app: Path) -> None:
    (manifests / "package-lock.json").write_text('"broken"')
    with pytest.raises(BuildError, match="npm failed") as caught:
        install_npm(manifests, tmp_path / "work", app)
    assert "npm says why" in "".join(caught.value.notes)


@pytest.mark.usefixtures("npm")
def test_a_missing_lock_is_named(manifests: Path, tmp_path: Path, app: Path) -> None:
    (manifests / "package-lock.json").unlink()
    with pytest.raises(SpecError, match=r"holds no package-lock\.json"):
        install_npm(manifests, tmp_path / "work", app)


def test_without_npm_the_command_that_brings_it_is_named(
    manifests: Path, tmp_path: Path, app: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable) as caught:
        install_npm(manifests, tmp_path / "work", app)
    assert caught.value.remedy == "apt-get install --no-install-recommends npm"
