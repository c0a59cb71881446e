"""The artifact: one root file system and its configuration, named by its content digest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class User:
    """Who the service runs as, in numbers, so that every target means the same user."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    home: str = "/root"


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """The OCI-style configuration that goes with a root file system.

    ``argv`` is Entrypoint + Cmd, never empty. ``env`` holds PATH and HOME always. ``workdir`` is absolute.
    """

    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    workdir: str = "/"
    user: User = User()
    ports: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Artifact:
    """One root file system on disk, in the artifact cache.

    ``digest`` is ``sha256:<hex>`` over the sorted tree (harness.artifacts.digest). ``folder`` holds ``rootfs.tar``
    and what is derived from it. ``embedded`` is True where there is no root file system of its own: only the app tree,
    run with this host's interpreter, because this host cannot build more (no root); then ``digest`` covers that tree.
    ``source`` says what it was built from, for a person. ``image_config`` is what the container image carries if that
    is not ``config``: several services may be deployed from one image.
    """

    name: str
    digest: str
    folder: Path
    config: ImageConfig
    source: str
    embedded: bool = False
    image_config: ImageConfig | None = None

    @property
    def short(self) -> str:
        """The first 12 hexadecimal digits of the digest, for names."""
        return self.digest.removeprefix("sha256:")[:12]

    @property
    def tar(self) -> Path:
        """The root file system: the one source of every packaging."""
        return self.folder / "rootfs.tar"

    @property
    def directory(self) -> Path:
        """The unpacked tree (harness.artifacts.packagings.directory makes it)."""
        return self.folder / "rootfs"

    @property
    def disk(self) -> Path:
        """The raw ext4 workload disk (harness.artifacts.packagings.disk makes it)."""
        return self.folder / "workload.ext4"

    @property
    def image(self) -> str:
        """The name of the derived container image (harness.artifacts.packagings.image makes it)."""
        return f"tare/{self.name}:{self.short}"
