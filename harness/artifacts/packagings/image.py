"""The image packaging: the artifact's archive imported as an image of one layer, for the ``container`` target."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress

import docker
import docker.errors

from harness.artifacts.api import Artifact, ImageConfig
from harness.artifacts.engine import engine
from harness.errors import BuildError

DIGEST_LABEL = "tare.artifact"
CONFIG_LABEL = "tare.config"


def ensure_image(artifact: Artifact) -> str:
    """The name of the local image of this artifact and its configuration, imported if it is not there yet.

    Idempotent: an image of that name counts only if its labels hold the artifact's digest and the digest of its
    configuration; another one is replaced, and not left behind without a name. Raises Unavailable without Docker,
    BuildError if the import fails.
    """
    config = artifact.image_config or artifact.config
    labels = {DIGEST_LABEL: artifact.digest, CONFIG_LABEL: config_digest(config)}
    with engine(f"importing {artifact.image}") as client:
        if _labels(client, artifact.image) != labels:
            replaced = [image.id for image in client.images.list(artifact.image) if image.id]
            repository, _, tag = artifact.image.rpartition(":")
            with artifact.tar.open("rb") as tar:
                client.api.import_image(src=tar, repository=repository, tag=tag, changes=changes(config, labels))
            if _labels(client, artifact.image) != labels:
                raise BuildError(
                    f"the image {artifact.image} has other labels than it was given",
                    "see whether something else makes images of that name, and remove it",
                )
            for image in replaced:
                # Somebody may have given it another name, and a container may still be using it.
                with suppress(docker.errors.APIError):
                    if not client.images.get(image).tags:
                        client.images.remove(image)
    return artifact.image


def image_bytes(artifact: Artifact) -> int:
    """What the image occupies in the engine's store, in bytes. Raises BuildError if it has not been made."""
    with engine(f"asking for the size of {artifact.image}") as client:
        return int(client.images.get(artifact.image).attrs["Size"])


def config_digest(config: ImageConfig) -> str:
    """``sha256:<hex>`` of a configuration."""
    return "sha256:" + hashlib.sha256(repr(config).encode()).hexdigest()


def changes(config: ImageConfig, labels: dict[str, str]) -> list[str]:
    """The configuration as Dockerfile instructions.

    A variable with a line break in its value cannot be written as one and is left out: launching gives the whole
    environment again in any case, and supplementary groups, which an image cannot hold.
    """
    return [
        f"CMD {json.dumps(list(config.argv))}",
        f"WORKDIR {quoted(config.workdir)}",
        f"USER {config.user.uid}:{config.user.gid}",
        *(f"ENV {key}={quoted(value)}" for key, value in config.env if "\n" not in value),
        *(f"EXPOSE {port}" for port in config.ports),
        *(f"LABEL {key}={quoted(value)}" for key, value in labels.items()),
    ]


def quoted(value: str) -> str:
    """A word that Docker's parser of instructions reads as exactly ``value``, without expanding variables."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'


def _labels(client: docker.DockerClient, name: str) -> dict[str, str] | None:
    try:
        found = client.images.get(name).labels
    except docker.errors.ImageNotFound:
        return None
    return {key: value for key, value in found.items() if key in (DIGEST_LABEL, CONFIG_LABEL)}
