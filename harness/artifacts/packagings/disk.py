"""The disk packaging: a raw ext4 file system with the artifact's tree, for the ``vm`` target."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from harness.artifacts.api import Artifact
from harness.artifacts.builders.debian import SOURCE_DATE_EPOCH
from harness.artifacts.cache import materialise
from harness.artifacts.packagings.directory import unpack
from harness.artifacts.tools import run_tool
from harness.units import MIB

LABEL = "tare-workload"
_BLOCK = 4096
_SLACK_BYTES = 128 * MIB
_SLACK_INODES = 16_384
_INODE_BYTES = 256
_GROWTH = 1.25
"""Room for the service to write, and for the file system's own tables."""

_NAMESPACE = uuid.UUID("8f1b6f4e-6d0c-4f3b-9a52-7f1f0c1a54c5")


def ensure_disk(artifact: Artifact) -> Path:
    """The disk: a sparse file that holds one ext4 file system, without a partition table, labelled ``tare-workload``.

    Owners, modes, devices and file capabilities are the archive's. It is shared by every trial, so a guest must write
    to an overlay of it. Its UUID is derived from the artifact's digest. Idempotent and atomic. Raises Unavailable
    without root or mke2fs, BuildError for the rest.
    """
    return materialise(artifact.disk, lambda workspace: _make(artifact, workspace))


def allocated_bytes(path: Path) -> int:
    """What a sparse file really occupies."""
    return path.stat().st_blocks * 512


def _make(artifact: Artifact, workspace: Path) -> Path:
    tree = unpack(artifact.tar, workspace / "tree")
    disk = workspace / "workload.ext4"
    tree_bytes, inodes = _measure(tree)
    size = int(tree_bytes * _GROWTH) + inodes * _INODE_BYTES + _SLACK_BYTES
    with disk.open("wb") as file:
        file.truncate(-(-size // MIB) * MIB)
    identity = uuid.uuid5(_NAMESPACE, artifact.digest)
    run_tool(
        [
            *("mke2fs", "-q", "-F", "-t", "ext4", "-b", str(_BLOCK), "-I", str(_INODE_BYTES), "-m", "0"),
            *("-N", str(int(inodes * _GROWTH) + _SLACK_INODES), "-L", LABEL, "-U", str(identity)),
            *("-E", f"hash_seed={identity},root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0"),
            *("-d", str(tree), str(disk)),
        ],
        where=workspace,
        remedy="run: tare provision; then try again",
        env={"E2FSPROGS_FAKE_TIME": str(SOURCE_DATE_EPOCH), "SOURCE_DATE_EPOCH": str(SOURCE_DATE_EPOCH)},
    )
    return disk


def _measure(tree: Path) -> tuple[int, int]:
    """Bytes in whole blocks, and the number of entries."""
    total, count = 0, 1
    for folder, folders, files in os.walk(os.fsencode(tree)):
        for name in (*folders, *files):
            size = os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118 - Path cannot hold every byte string
            total += -(-size // _BLOCK) * _BLOCK
            count += 1
    return total, count
