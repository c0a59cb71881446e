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
from harness.artifacts.from_image import artifact_name

_SUITE = "bookworm"
_PACKAGES = ("apt", "ca-certificates")


def debian_base() -> str:
    """A small Debian with apt and this host's package sources, as a registry's would be; its tag stands for its inputs.

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


def build(folder: Path, name: str, files: Mapping[str, str | bytes]) -> str:
    """``docker build`` of these files, one of which is the Dockerfile. Its tag stands for what it is built from."""
    content = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
    folder.mkdir()
    for path, data in content.items():
        (folder / path).write_bytes(data)
        (folder / path).chmod(0o755)
    tag = f"{name}:{hashlib.sha256(repr(sorted(content.items())).encode()).hexdigest()[:12]}"
    with closing(docker.from_env(timeout=300)) as client:
        # A build reaches what the host reaches.
        client.images.build(path=str(folder), tag=tag, network_mode="host", rm=True, forcerm=True)
    return tag


def remove_kin(image: str) -> None:
    """Remove what Tare has made of an image in Docker."""
    with closing(docker.from_env()) as client:
        for made in client.images.list(f"tare/{artifact_name(image)}"):
            client.images.remove(str(made.id), force=True)
