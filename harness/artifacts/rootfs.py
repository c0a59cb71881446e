"""Builds a workload's root file system, once: the same inputs give the same digest."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
from pathlib import Path

from harness.artifacts import debian
from harness.artifacts.api import Artifact
from harness.artifacts.cache import artifacts_dir, materialise
from harness.artifacts.config import resolve
from harness.artifacts.dependencies import install_requirements
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
from harness.spec.workload import RootfsSpec, Workload

APP = "app"
SITE_PACKAGES = "site-packages"


def build_workload(folder: Path, workload: Workload) -> Artifact:
    """The artifact of a workload folder, from the cache if its inputs have not changed.

    The root file system is the suite's essential packages and the listed ones, the app tree as ``/app`` and the locked
    dependencies in ``/app/site-packages``, byte-compiled. The cache's key covers the ``[rootfs]`` table, the app tree,
    the lock file, this machine's architecture and the builder's version; not the mirror's state, so that an entry keeps
    its package versions (recorded beside it) until it is removed. Raises Unavailable without root or mmdebstrap,
    BuildError with the failing program's log, SpecError for an app tree or a user that cannot be used.
    """
    inputs = workload_inputs(folder, workload.rootfs)
    entry = artifacts_dir() / inputs.key
    if not entry.exists() and os.geteuid() != 0:
        raise Unavailable("building a root file system needs root", "run the same command with sudo")
    materialise(entry, lambda workspace: _build(workspace, folder, workload, inputs))
    record = read_entry(entry)
    return Artifact(
        name=workload.name,
        digest=record.digest,
        folder=entry,
        config=resolve(record, workload.service),
        source=record.source,
    )


def workload_inputs(folder: Path, spec: RootfsSpec) -> Inputs:
    """What decides the tree of a workload: see ``build_workload``."""
    lock = folder / spec.requirements if spec.requirements else None
    return Inputs(
        {
            "rootfs": spec.model_dump_json(),
            "app": app_digest(folder / spec.app),
            "lock": hashlib.sha256(lock.read_bytes()).hexdigest() if lock else "",
            "machine": platform.machine(),
        }
    )


def _build(workspace: Path, folder: Path, workload: Workload, inputs: Inputs) -> Path:
    spec = workload.rootfs
    tree, entry = workspace / "tree", workspace / "entry"
    entry.mkdir(mode=0o755)
    debian.bootstrap(spec.suite, spec.packages, tree)
    packages = debian.package_versions(tree)
    shutil.rmtree(tree / APP, ignore_errors=True)
    copy_app(folder / spec.app, tree / APP)
    if spec.requirements:
        install_requirements(folder / spec.requirements, tree / APP / SITE_PACKAGES, python=spec.python)
        normalise_modes(tree / APP / SITE_PACKAGES)
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
            source=f"workload {workload.name} on Debian {spec.suite}",
            digest=digest,
            tar_bytes=tar.stat().st_size,
            inputs=inputs.values,
            packages=packages,
            accounts=accounts,
        ),
    )
    return entry
