"""``workloads/<name>/workload.toml``: what is deployed."""

from __future__ import annotations

from itertools import combinations
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from harness.spec.base import Name, SpecModel
from harness.spec.sequence import CatalogueSpec
from harness.spec.service import Exchange, ServiceSpec
from harness.spec.topology import SERVICE, SINGLE, Member, Topology, launch_order

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
    Python, which need not be the host's. ``npm`` is a folder with ``package.json`` and ``package-lock.json``, whose
    packages are installed into ``/app/node_modules`` without running any of their scripts. ``catalogue`` is the path
    in the app tree that the sizes of the workload's ``[catalogue]`` are written to when the tree is built
    (harness.artifacts.builders.catalogue).
    """

    suite: Annotated[str, Field(pattern="^[a-z]+$")] = "bookworm"
    packages: Annotated[tuple[DebianPackage, ...], Field(strict=False)] = ()
    app: str = "app"
    requirements: str | None = None
    npm: str | None = None
    python: Annotated[str, Field(pattern=r"^3\.\d+$")] = "3.11"
    catalogue: str | None = None

    @field_validator("app", "requirements", "npm", "catalogue")
    @classmethod
    def _no_traversal(cls, path: str | None) -> str | None:
        return None if path is None else inside_folder(path)


class Workload(SpecModel):
    """A workload's file. ``locustfile`` is a path inside the workload's folder.

    ``catalogue``: the objects that it serves, for a root with a ``catalogue`` of that table's sizes, and for everybody
    who asks for them.

    One service has a ``[rootfs]`` and a ``[service]``; a set has ``[roots.NAME]``, ``[services.NAME]`` and
    ``[topologies.NAME]``. Both look alike from outside: ``members``, ``root_file_systems`` and ``sets``.
    """

    name: Name
    description: str = ""
    rootfs: RootfsSpec = Field(default_factory=RootfsSpec)
    service: ServiceSpec | None = None
    roots: dict[Name, RootfsSpec] = Field(default_factory=dict)
    services: dict[Name, Member] = Field(default_factory=dict)
    topologies: dict[Name, Topology] = Field(default_factory=dict)
    catalogue: CatalogueSpec | None = None
    locustfile: str = "locustfile.py"
    exchanges: Annotated[tuple[Exchange, ...], Field(strict=False)] = ()

    @field_validator("locustfile")
    @classmethod
    def _no_traversal(cls, path: str) -> str:
        return inside_folder(path)

    @model_validator(mode="after")
    def _consistent(self) -> Workload:
        if (self.service is None) == (not self.services):
            raise ValueError("give either one [service], or [services.NAME] with [topologies.NAME]")
        if bool(self.services) != bool(self.topologies):
            raise ValueError("[services.NAME] and [topologies.NAME] belong together")
        if self.services and "rootfs" in self.model_fields_set:
            raise ValueError("a set has [roots.NAME] instead of [rootfs]")
        for name, member in self.services.items():
            if member.root not in self.roots:
                known = ", ".join(self.roots) or "none"
                raise ValueError(f"services.{name}.root = {member.root!r} is not one of [roots]: {known}")
        taken = any(root.catalogue is not None for root in self.root_file_systems.values())
        if taken != (self.catalogue is not None):
            raise ValueError("[catalogue] and the key catalogue of a root file system belong together")
        for name, topology in self.topologies.items():
            _must_fit(f"topologies.{name}", topology, self.services)
        return self

    @property
    def members(self) -> dict[str, Member]:
        """Every service by its name; the one of a workload that is no set is ``svc``."""
        if self.service is None:
            return dict(self.services)
        return {SERVICE: Member(**{name: getattr(self.service, name) for name in type(self.service).model_fields})}

    @property
    def root_file_systems(self) -> dict[str, RootfsSpec]:
        """Every root file system by its name."""
        return {"main": self.rootfs} if self.service is not None else dict(self.roots)

    @property
    def sets(self) -> dict[str, Topology]:
        """Every topology by its name; that of a workload that is no set is ``single``."""
        if self.service is None:
            return dict(self.topologies)
        return {SINGLE: Topology(services=(SERVICE,), routes={"/": SERVICE})}


def _must_fit(where: str, topology: Topology, members: dict[str, Member]) -> None:
    """Raise ValueError for what cannot be deployed: unknown services, circles, references to nobody, one port twice."""
    for name in topology.services:
        if name not in members:
            raise ValueError(f"{where}: {name!r} is not one of [services]: {', '.join(members)}")
    try:
        launch_order(topology, members)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    for name in topology.services:
        if nobody := sorted(members[name].references - set(topology.services)):
            raise ValueError(f"{where}: the env of {name} names {nobody[0]!r}, which is not one of its services")
    for one, other in combinations(topology.services, 2):
        if members[one].port == members[other].port:
            raise ValueError(f"{where}: {one} and {other} both listen on port {members[one].port}")
