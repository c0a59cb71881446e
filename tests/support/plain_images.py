"""Images as people build them: from a plain Dockerfile, on a Debian base or on nothing at all."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import docker

from harness.artifacts.builders.from_image import artifact_name
from harness.artifacts.builders.packages import build_packages
from harness.proxies.api import SUITE
from harness.proxies.registry import PROXIES
from harness.spec.service import ServiceSpec


def base_of(proxy: str) -> str:
    """The root file system that the proxy of that name is deployed from, as a base that a registry would have.

    It is a Debian with the proxy's program, from the host's cache, where the suites of proxies have it too: no build of
    the tests' own, and none inside Docker.
    """
    service, source = ServiceSpec(port=1, argv=("true",)), f"proxy {proxy} on Debian {SUITE}"
    artifact = build_packages(proxy, SUITE, PROXIES[proxy].packages, service, source)
    name, tag = f"tare-test-base-{proxy}", artifact.digest.removeprefix("sha256:")[:12]
    with closing(docker.from_env(timeout=300)) as client:
        if not client.images.list(f"{name}:{tag}"):
            client.api.import_image(src=str(artifact.tar), repository=name, tag=tag)
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
