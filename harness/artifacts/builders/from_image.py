"""An artifact from any local container image: its flattened file system and its configuration."""

from __future__ import annotations

import difflib
import io
import platform
import re
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker
import docker.errors

from harness.artifacts.api import Artifact
from harness.artifacts.cache import artifacts_dir, materialise
from harness.artifacts.canonical import ChunkStream, canonicalise
from harness.artifacts.config import resolve
from harness.artifacts.digest import tar_digest
from harness.artifacts.engine import engine
from harness.artifacts.entry import EntryRecord, Inputs, read_entry, write_entry
from harness.errors import SpecError
from harness.spec.service import ServiceSpec

CONTAINER_PREFIX = "tare-export-"
LABEL = "tare"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_MANY_SHOWN = 5
_NAME_LENGTH = 40


def build_from_image(reference: str, service: ServiceSpec | None = None) -> Artifact:
    """The artifact of a local image, from the cache if that image (by its id) was exported before.

    The image's Entrypoint, Cmd, Env, WorkingDir, User and ExposedPorts hold where ``service`` says nothing. Nothing of
    the image is run. Raises SpecError if there is no such local image, if it is for another architecture, or if neither
    it nor ``service`` says what to run; Unavailable without Docker; BuildError if the export fails.
    """
    with engine(f"exporting the image {reference}") as client:
        image = _find(client, reference)
        inputs = Inputs({"image": str(image["Id"])})
        entry = artifacts_dir() / inputs.key
        materialise(entry, lambda workspace: _export(client, image, workspace, inputs))
    record = read_entry(entry).model_copy(update={"source": f"image {reference} ({image['Id'][7:19]})"})
    return Artifact(
        name=artifact_name(reference),
        digest=record.digest,
        folder=entry,
        config=resolve(record, service),
        source=record.source,
    )


def artifact_name(reference: str) -> str:
    """A name that fits every engine, from an image's: ``registry/team/shop:1.2`` becomes ``shop-1-2``."""
    last = reference.rpartition("/")[2].partition("@")[0].lower()
    return re.sub(r"[^a-z0-9]+", "-", last)[:_NAME_LENGTH].strip("-") or "image"


def similar_names(reference: str, known: Sequence[str]) -> list[str]:
    """The local names that may have been meant, best first."""
    near = difflib.get_close_matches(reference, known, n=_MANY_SHOWN, cutoff=0.5)
    part = reference.rpartition("/")[2].partition(":")[0]
    return list(dict.fromkeys([*near, *(name for name in known if part and part in name)]))[:_MANY_SHOWN]


def _find(client: docker.DockerClient, reference: str) -> dict[str, Any]:
    try:
        image: dict[str, Any] = client.images.get(reference).attrs
    except (docker.errors.NotFound, docker.errors.NullResource) as error:
        known = sorted(tag for found in client.images.list() for tag in found.tags)
        near = similar_names(reference, known)
        hint = f"; local images with such a name: {', '.join(near)}" if near else ""
        raise SpecError(
            f"there is no local image {reference!r}", f"run: docker pull {reference} (or docker build){hint}"
        ) from error
    wanted = _ARCHITECTURES.get(platform.machine(), platform.machine())
    if image.get("Architecture") not in (wanted, "", None):
        raise SpecError(
            f"the image {reference!r} is for {image['Architecture']}, and this host is {wanted}",
            f"build or pull it for this host: docker build --platform linux/{wanted} …",
        )
    return image


def _export(client: docker.DockerClient, image: dict[str, Any], workspace: Path, inputs: Inputs) -> Path:
    entry = workspace / "entry"
    entry.mkdir(mode=0o755)
    tar = entry / "rootfs.tar"
    name = CONTAINER_PREFIX + secrets.token_hex(6)
    try:
        # An image may have no command of its own, and creation asks for one. It is never started.
        client.api.create_container(
            image["Id"], command=["/never-started"], name=name, labels={LABEL: "export"}, network_disabled=True
        )
        with io.BufferedReader(ChunkStream(client.api.export(name)), 1024 * 1024) as exported:
            accounts = canonicalise(exported, tar)
    finally:
        with suppress(docker.errors.NotFound):
            client.api.remove_container(name, v=True, force=True)
    config = image["Config"] or {}
    write_entry(
        entry,
        EntryRecord(
            key=inputs.key,
            source=f"image {image['Id']}",
            digest=tar_digest(tar),
            tar_bytes=tar.stat().st_size,
            inputs=inputs.values,
            accounts=accounts,
            argv=(*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())),
            env=tuple((key, value) for key, _, value in (item.partition("=") for item in config.get("Env") or ())),
            workdir=config.get("WorkingDir") or "",
            user=config.get("User") or "",
            ports=_tcp_ports(config.get("ExposedPorts") or {}),
        ),
    )
    return entry


def _tcp_ports(exposed: dict[str, object]) -> tuple[int, ...]:
    found = (port.partition("/") for port in exposed)
    return tuple(sorted(int(number) for number, _, protocol in found if protocol in ("", "tcp")))
