"""Images as people build them: from a plain Dockerfile, on a Debian base or on nothing at all."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import docker

from harness.artifacts.debian import bootstrap, host_apt_options, host_mirrors

_SUITE = "bookworm"
_PACKAGES = ("apt", "ca-certificates")


def debian_base() -> str:
    """A small Debian with apt and this host's package sources, as a registry's would be. Its name stands for its inputs.

    30 s the first time; Docker keeps it, as it keeps the layers that are built on it.
    """
    inputs = repr((_SUITE, _PACKAGES, host_mirrors(_SUITE), host_apt_options()))
    name, tag = "tare-test-debian", hashlib.sha256(inputs.encode()).hexdigest()[:12]
    with closing(docker.from_env(timeout=300)) as client:
        if not client.images.list(f"{name}:{tag}"):
            with tempfile.TemporaryDirectory(prefix="tare-test-") as folder:
                tree, tar = Path(folder, "tree"), Path(folder, "base.tar")
                bootstrap(_SUITE, _PACKAGES, tree)
                subprocess.run(["tar", "--create", f"--file={tar}", f"--directory={tree}", "."], check=True)
                client.api.import_image(src=str(tar), repository=name, tag=tag)
    return f"{name}:{tag}"


def build(folder: Path, tag: str, files: Mapping[str, str | bytes]) -> str:
    """``docker build`` of a folder with these files; one of them is the Dockerfile. Returns the tag."""
    for name, content in files.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    with closing(docker.from_env(timeout=300)) as client:
        # A build reaches what the host reaches.
        client.images.build(path=str(folder), tag=tag, network_mode="host", rm=True, forcerm=True)
    return tag


def remove(tag: str) -> None:
    """Remove the tag. Layers that others are built on stay."""
    with closing(docker.from_env()) as client:
        client.images.remove(tag, force=True, noprune=True)
