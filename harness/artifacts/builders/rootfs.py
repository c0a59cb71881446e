"""Builds a workload's root file system, once: the same inputs give the same digest."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
from pathlib import Path

from harness.artifacts.api import Artifact
from harness.artifacts.builders import debian, npm
from harness.artifacts.builders.catalogue import catalogue_digest, write_catalogue
from harness.artifacts.builders.dependencies import install_requirements
from harness.artifacts.cache import artifacts_dir, materialise
from harness.artifacts.config import PLAIN, resolve
from harness.artifacts.digest import tar_digest, tree_digest
from harness.artifacts.entry import EntryRecord, Inputs, read_entry, write_entry
from harness.artifacts.tree import (
    add_mount_points,
    app_digest,
    compile_python,
    copy_app,
    normalise_modes,
    scrub,
    write_tar,
)
from harness.errors import BuildError, Unavailable
from harness.spec.sequence import CatalogueSpec
from harness.spec.topology import SERVICE
from harness.spec.workload import RootfsSpec, Workload

APP = "app"
SITE_PACKAGES = "site-packages"


def build_workload(folder: Path, workload: Workload, service: str = SERVICE) -> Artifact:
    """The artifact of a service of a workload folder, from the cache if its inputs have not changed.

    The root file system is the suite's essential packages and the listed ones, the app tree as ``/app``, the locked
    dependencies in ``/app/site-packages``, byte-compiled, the locked Node packages in ``/app/node_modules``, and the
    catalogue's sizes where the root wants them. The cache's key covers the ``[rootfs]`` or ``[roots.NAME]`` table, the
    app tree, the lock files, the sizes, this machine's architecture and the builder's version; not the mirror's state,
    so that an entry keeps its package versions (recorded beside it) until it is removed. Services with one root share
    one entry and differ in their configuration alone. Raises Unavailable without root, mmdebstrap or an npm that is
    needed, BuildError with the failing program's log, SpecError for an app tree or a user that cannot be used.
    """
    root = workload.members[service].root
    spec = workload.root_file_systems[root]
    inputs = workload_inputs(folder, spec, workload.catalogue)
    entry = artifacts_dir() / inputs.key
    if not entry.exists() and os.geteuid() != 0:
        raise Unavailable("building a root file system needs root", "run the same command with sudo")
    source = f"workload {workload.name} on Debian {spec.suite}"
    materialise(entry, lambda workspace: _build(workspace, folder, spec, workload.catalogue, source, inputs))
    return artifact_of(entry, workload, service)


def artifact_of(entry: Path, workload: Workload, service: str, *, embedded: bool = False) -> Artifact:
    """The artifact of a service whose root file system is in that entry of the cache."""
    record = read_entry(entry)
    member = workload.members[service]
    is_set = workload.service is None
    return Artifact(
        name=f"{workload.name}-{member.root}" if is_set else workload.name,
        digest=record.digest,
        folder=entry,
        config=resolve(record, member),
        source=record.source,
        embedded=embedded,
        image_config=PLAIN if is_set else None,
    )


def workload_inputs(folder: Path, spec: RootfsSpec, catalogue: CatalogueSpec | None) -> Inputs:
    """What decides the tree of a workload: see ``build_workload``. Keys that are not used are not part of it."""
    locks = [folder / spec.requirements] if spec.requirements else []
    locks += [folder / spec.npm / name for name in npm.MANIFESTS] if spec.npm else []
    digests = [hashlib.sha256(lock.read_bytes()).hexdigest() if lock.is_file() else "" for lock in locks]
    values = {
        # Without the catalogue's path where there is none: what has none keeps the entries that it already has.
        "rootfs": spec.model_dump_json(exclude={"catalogue"} if spec.catalogue is None else None),
        "app": app_digest(folder / spec.app),
        "lock": " ".join(digests),
        "machine": platform.machine(),
    }
    if spec.catalogue is not None and catalogue is not None:
        values["catalogue"] = catalogue_digest(catalogue)
    return Inputs(values)


def add_catalogue(spec: RootfsSpec, catalogue: CatalogueSpec | None, app: Path) -> None:
    """The catalogue's sizes in an app tree, if its root wants them. Raises SpecError for a path that is taken."""
    if spec.catalogue is not None and catalogue is not None:
        write_catalogue(catalogue, app, spec.catalogue)


def install_dependencies(folder: Path, spec: RootfsSpec, workspace: Path, app: Path, python: str | None) -> None:
    """The locked dependencies of both kinds, beside the app. ``python``: see ``install_requirements``."""
    if spec.requirements:
        install_requirements(folder / spec.requirements, app / SITE_PACKAGES, python=python)
        normalise_modes(app / SITE_PACKAGES)
    if spec.npm:
        npm.install_npm(folder / spec.npm, workspace / "npm", app)
        normalise_modes(app / npm.NODE_MODULES)


def _build(
    workspace: Path, folder: Path, spec: RootfsSpec, catalogue: CatalogueSpec | None, source: str, inputs: Inputs
) -> Path:
    tree, entry = workspace / "tree", workspace / "entry"
    entry.mkdir(mode=0o755)
    debian.bootstrap(spec.suite, spec.packages, tree)
    packages = debian.package_versions(tree)
    shutil.rmtree(tree / APP, ignore_errors=True)
    copy_app(folder / spec.app, tree / APP)
    add_catalogue(spec, catalogue, tree / APP)
    install_dependencies(folder, spec, workspace, tree / APP, spec.python)
    scrub(tree)
    compile_python(tree, spec.python)
    add_mount_points(tree)
    tar = entry / "rootfs.tar"
    write_tar(tree, tar)
    digest = tar_digest(tar)
    if digest != tree_digest(tree):
        raise BuildError("the archive does not hold the tree that it was made from", "try again on a healthy disk")
    accounts = {name: (tree / "etc" / name).read_text("utf-8", errors="replace") for name in ("passwd", "group")}
    write_entry(
        entry,
        EntryRecord(
            key=inputs.key,
            source=source,
            digest=digest,
            tar_bytes=tar.stat().st_size,
            inputs=inputs.values,
            packages=packages,
            accounts=accounts,
        ),
    )
    return entry
