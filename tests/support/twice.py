"""A root file system that is made twice, to be compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.artifacts.api import Artifact


def twice(build: Callable[[], Artifact], folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Artifact, Artifact]:
    """What the host's cache holds, made if it is not there, and the same made now, in a cache below ``folder``.

    Where the Debian mirror has moved on since the first was made, both are made now. The second cache is in force
    afterwards.
    """
    first, again = build(), _in_cache(folder / "first", build, monkeypatch)
    if _packages(first) != _packages(again):
        first, again = again, _in_cache(folder / "second", build, monkeypatch)
    return first, again


def _in_cache(folder: Path, build: Callable[[], Artifact], monkeypatch: pytest.MonkeyPatch) -> Artifact:
    monkeypatch.setenv("TARE_CACHE", str(folder))
    return build()


def _packages(artifact: Artifact) -> object:
    return json.loads((artifact.folder / "artifact.json").read_text())["packages"]
