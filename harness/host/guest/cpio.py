"""Initial RAM file systems: ``newc`` archives, the same bytes for the same entries.

Format: the kernel's Documentation/driver-api/early-userspace/buffer-format.rst. The kernel unpacks archives that
follow each other, so what belongs to one launch is appended to an archive that is built once.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable
from dataclasses import dataclass

_BLOCK = 512
_TRAILER = "TRAILER!!!"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, folder or symbolic link (its target is ``data``), owned by root. ``name`` is relative to ``/``."""

    name: str
    data: bytes = b""
    mode: int = stat.S_IFREG | 0o644


def folder(name: str) -> Entry:
    """A folder; it must come before what it holds."""
    return Entry(name, mode=stat.S_IFDIR | 0o755)


def program(name: str, data: bytes) -> Entry:
    """An executable file."""
    return Entry(name, data, stat.S_IFREG | 0o755)


def link(name: str, target: str) -> Entry:
    """A symbolic link."""
    return Entry(name, target.encode(), stat.S_IFLNK | 0o777)


def newc(entries: Iterable[Entry]) -> bytes:
    """The archive, padded so that another may follow it. Every time is 0."""
    archive = bytearray()
    for inode, entry in enumerate((*entries, Entry(_TRAILER, mode=0)), start=1):
        name = entry.name.encode() + b"\0"
        links = 2 if stat.S_ISDIR(entry.mode) else 1
        fields = (inode, entry.mode, 0, 0, links, 0, len(entry.data), 0, 0, 0, 0, len(name), 0)
        archive += b"070701" + b"".join(b"%08X" % value for value in fields) + name
        _pad(archive, 4)
        archive += entry.data
        _pad(archive, 4)
    _pad(archive, _BLOCK)
    return bytes(archive)


def _pad(archive: bytearray, unit: int) -> None:
    archive += bytes(-len(archive) % unit)
