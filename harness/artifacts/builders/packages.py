"""A root file system of a distribution's packages alone, built once: what a proxy is deployed from."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from harness.artifacts.api import Artifact
from harness.artifacts.builders import debian
from harness.artifacts.cache import artifacts_dir, materialise
from harness.artifacts.config import PLAIN, resolve
from harness.artifacts.digest import tar_digest, tree_digest
from harness.artifacts.entry import EntryRecord, Inputs, read_entry, write_entry
from harness.artifacts.tree import add_mount_points, scrub, write_tar
from harness.errors import BuildError, Unavailable
from harness.spec.service import ServiceSpec


def build_packages(name: str, suite: str, packages: Sequence[str], service: ServiceSpec, source: str) -> Artifact:
    """The suite's essential packages and ``packages``, with ``service`` as its configuration; from the cache if there.

    The cache's key covers the suite, the packages' names, this machine's architecture and the builder's version; not
    ``service``, so that any configuration is deployed from the same tree, and not the mirror's state: an entry keeps
    its package versions (recorded beside it) until it is removed. Raises Unavailable without root or mmdebstrap,
    BuildError with the failing program's log, SpecError for a user that the packages do not bring.
    """
    inputs = packages_inputs(suite, packages)
    entry = artifacts_dir() / inputs.key
    if not entry.exists() and os.geteuid() != 0:
        raise Unavailable("building a root file system needs root", "run the same command with sudo")
    materialise(entry, partial(_build, suite=suite, packages=packages, source=source, inputs=inputs))
    record = read_entry(entry)
    return Artifact(
        name=name,
        digest=record.digest,
        folder=entry,
        config=resolve(record, service),
        source=record.source,
        image_config=PLAIN,
    )


def packages_inputs(suite: str, packages: Sequence[str]) -> Inputs:
    """What decides the tree: see ``build_packages``."""
    return Inputs({"suite": suite, "packages": json.dumps(sorted(set(packages))), "machine": platform.machine()})


def _build(workspace: Path, *, suite: str, packages: Sequence[str], source: str, inputs: Inputs) -> Path:
    tree, entry = workspace / "tree", workspace / "entry"
    entry.mkdir(mode=0o755)
    debian.bootstrap(suite, packages, tree)
    versions = debian.package_versions(tree)
    scrub(tree)
    add_mount_points(tree)
    tar = entry / "rootfs.tar"
    write_tar(tree, tar)
    digest = tar_digest(tar)
    if digest != tree_digest(tree):
        raise BuildError("the archive does not hold the tree that it was made from", "try again on a healthy disk")
    record = EntryRecord(
        key=inputs.key,
        source=source,
        digest=digest,
        tar_bytes=tar.stat().st_size,
        inputs=inputs.values,
        packages=versions,
        accounts={name: (tree / "etc" / name).read_text("utf-8", errors="replace") for name in ("passwd", "group")},
    )
    write_entry(entry, record)
    return entry
