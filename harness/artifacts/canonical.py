"""Turns an exported container's archive into a root file system's: without what the engine put there itself."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from harness.artifacts.builders.debian import SOURCE_DATE_EPOCH
from harness.artifacts.digest import member_path
from harness.artifacts.tree import HOSTS
from harness.errors import BuildError

_MOUNT_POINTS = {"dev": 0o755, "proc": 0o755, "sys": 0o755, "run": 0o755, "tmp": 0o1777}
_HIDDEN = frozenset({b"dev", b"proc", b"sys", b"lost+found"})
"""Every target mounts its own over these, so what an image holds there is never seen. /run and /tmp are kept."""

_ACCOUNTS = {b"etc/passwd": "passwd", b"etc/group": "group"}
_ACCOUNTS_LIMIT = 1024 * 1024


class ChunkStream(io.RawIOBase):
    """Chunks of bytes as a readable stream."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks: Iterator[bytes] = iter(chunks)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the base says "any buffer"; io passes this
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = chunk
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def canonicalise(exported: IO[bytes], tar: Path) -> dict[str, str]:
    """Write the exported archive to ``tar`` as a root file system. Returns its /etc/passwd and /etc/group.

    ``/.dockerenv`` and the contents of /dev, /proc and /sys are dropped; the folders that targets mount on are there;
    an empty /etc/hosts, which engines leave, names the loopback address. Raises BuildError for an unreadable archive.
    """
    accounts: dict[str, str] = {}
    seen: set[bytes] = set()
    options = {"encoding": "utf-8", "errors": "surrogateescape"}
    try:
        with (
            tarfile.open(fileobj=exported, mode="r|", bufsize=1024 * 1024, **options) as source,  # type: ignore[call-overload]  # typeshed wants them spelled out
            tarfile.open(tar, mode="w", format=tarfile.PAX_FORMAT, **options) as target,  # type: ignore[call-overload]  # as above
        ):
            for member in source:
                path = member_path(member.name)
                if path in (b"", b".dockerenv") or path.partition(b"/")[0] in _HIDDEN:
                    continue
                if path == b"etc/hosts" and member.isreg() and member.size == 0:
                    continue
                seen.add(path)
                body = source.extractfile(member) if member.isreg() else None
                if body is not None and path in _ACCOUNTS and member.size <= _ACCOUNTS_LIMIT:
                    content = body.read()
                    accounts[_ACCOUNTS[path]] = content.decode("utf-8", "replace")
                    body = io.BytesIO(content)
                target.addfile(member, body)
            _add_missing(target, seen)
    except tarfile.TarError as error:
        raise BuildError(f"the engine exported no readable archive: {error}", "try again") from error
    return accounts


def _add_missing(target: tarfile.TarFile, seen: set[bytes]) -> None:
    folders = {**_MOUNT_POINTS, "etc": 0o755}
    for name, mode in folders.items():
        if name.encode() not in seen:
            target.addfile(_info(name, mode, tarfile.DIRTYPE))
    if b"etc/hosts" not in seen:
        hosts = _info("etc/hosts", 0o644, tarfile.REGTYPE)
        hosts.size = len(HOSTS)
        target.addfile(hosts, io.BytesIO(HOSTS.encode()))
    if b"etc/resolv.conf" not in seen:
        target.addfile(_info("etc/resolv.conf", 0o644, tarfile.REGTYPE))


def _info(name: str, mode: int, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.mode, info.type, info.mtime = mode, kind, SOURCE_DATE_EPOCH
    return info
