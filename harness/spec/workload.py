"""``workloads/<name>/workload.toml``: what is deployed."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated

from pydantic import Field, field_validator

from harness.spec.base import Name, SpecModel
from harness.spec.service import Exchange, ServiceSpec

DebianPackage = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+.-]+$")]


def inside_folder(path: str) -> str:
    """``path`` if it stays below the folder that it is relative to. Raises ValueError otherwise."""
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts:
        raise ValueError(f"{path!r} must be a relative path inside the workload's folder, without '..'")
    return path


class RootfsSpec(SpecModel):
    """The root file system: a Debian suite's packages, the app tree and its locked Python dependencies.

    ``app`` and ``requirements`` are paths inside the workload's folder. The app tree becomes ``/app``; the
    dependencies (a hash-locked requirements file) are installed into ``/app/site-packages`` for the root file system's
    Python, which need not be the host's.
    """

    suite: Annotated[str, Field(pattern="^[a-z]+$")] = "bookworm"
    packages: Annotated[tuple[DebianPackage, ...], Field(strict=False)] = ()
    app: str = "app"
    requirements: str | None = None
    python: Annotated[str, Field(pattern=r"^3\.\d+$")] = "3.11"

    @field_validator("app", "requirements")
    @classmethod
    def _no_traversal(cls, path: str | None) -> str | None:
        return None if path is None else inside_folder(path)


class Workload(SpecModel):
    """A workload's file. ``locustfile`` is a path inside the workload's folder."""

    name: Name
    description: str = ""
    rootfs: RootfsSpec = Field(default_factory=RootfsSpec)
    service: ServiceSpec
    locustfile: str = "locustfile.py"
    exchanges: Annotated[tuple[Exchange, ...], Field(strict=False)] = ()

    @field_validator("locustfile")
    @classmethod
    def _no_traversal(cls, path: str) -> str:
        return inside_folder(path)
