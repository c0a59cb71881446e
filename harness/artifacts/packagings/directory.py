"""The directory packaging: the unpacked tree, from which the ``process`` target runs."""

from __future__ import annotations

import os
from pathlib import Path

from harness.artifacts.api import Artifact
from harness.artifacts.cache import materialise
from harness.artifacts.tools import run_tool
from harness.errors import Unavailable


def ensure_directory(artifact: Artifact) -> Path:
    """The unpacked tree, with the owners, modes and file capabilities of the archive.

    It is shared by every trial, so an instance must not write to it: mount something over it. For an embedded artifact
    it is the tree that was built. Idempotent and atomic. Raises Unavailable without root, BuildError for the rest.
    """
    if artifact.embedded:
        return artifact.directory
    return materialise(artifact.directory, lambda workspace: unpack(artifact.tar, workspace / "tree"))


def unpack(tar: Path, tree: Path) -> Path:
    """Unpack an archive into a new folder, as root with numeric owners. Returns the folder."""
    if os.geteuid() != 0:
        raise Unavailable("unpacking a root file system needs root", "run the same command with sudo")
    tree.mkdir(mode=0o755)
    run_tool(
        [
            *("tar", "--extract", f"--file={tar}", f"--directory={tree}"),
            *("--numeric-owner", "--same-owner", "--same-permissions", "--delay-directory-restore"),
            *("--xattrs", "--xattrs-include=security.capability"),
        ],
        where=tree,
        remedy=f"remove {tar.parent} so that it is built again",
    )
    tree.chmod(0o755)  # the archive's own entry for the root may say otherwise, and services run as other users
    return tree
