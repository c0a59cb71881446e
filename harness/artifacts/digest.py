"""The content digest: one figure that says whether two packagings hold the same tree.

What is digested, for every entry in the order of its path's bytes: path, type, permission bits, numeric owner, and
by type the content's SHA-256 and the file capability (regular files), the link's target (symbolic links), the device
numbers (devices). A hard link counts as the file that it names.

What is not, and why:

- times, inode numbers and link counts: every packaging makes its own;
- the root directory's own entry: ``mkfs``, ``docker import`` and overlayfs disagree about it;
- ``/dev``, ``/proc``, ``/sys``, ``/run``, ``/tmp``, ``/lost+found``, with all they hold, and ``/etc/hostname``,
  ``/etc/hosts``, ``/etc/resolv.conf``, ``/etc/mtab``, ``/.dockerenv``: engines and file systems provide or rewrite
  them;
- sockets, which no archive can carry, and the permission bits of symbolic links, which mean nothing on Linux;
- extended attributes other than ``security.capability``: no engine exports them, and they change nothing that runs.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from harness.errors import BuildError

CAPABILITY = "security.capability"
PAX_CAPABILITY = f"SCHILY.xattr.{CAPABILITY}"
VOLATILE_TREES = frozenset({b"dev", b"proc", b"sys", b"run", b"tmp", b"lost+found"})
VOLATILE_FILES = frozenset({b".dockerenv", b"etc/hostname", b"etc/hosts", b"etc/resolv.conf", b"etc/mtab"})
_CHUNK = 1024 * 1024
_NO_CAPABILITY = frozenset({errno.ENODATA, errno.EOPNOTSUPP})

Record = tuple[bytes, ...]


def is_volatile(path: bytes) -> bool:
    """Whether ``path`` (relative to the root, no leading slash) is left out of the digest."""
    return path.partition(b"/")[0] in VOLATILE_TREES or path in VOLATILE_FILES


def tree_digest(root: Path) -> str:
    """``sha256:<hex>`` of the tree below ``root``; equal to ``tar_digest`` of an archive of the same tree.

    Must be able to read every file of it. Does not follow symbolic links. Raises BuildError.
    """
    contents: dict[tuple[int, int], bytes] = {}
    records: dict[bytes, Record] = {}
    try:
        for path, entry in _walk(os.fsencode(root), b""):
            info = entry.stat(follow_symlinks=False)
            if stat.S_ISSOCK(info.st_mode):
                continue
            records[path] = _tree_record(entry.path, info, contents)
    except OSError as error:
        raise BuildError(
            f"could not digest the tree {root}: {error}", "run as the user who owns the tree (root), and try again"
        ) from error
    return _fold(records)


def tar_digest(tar: Path) -> str:
    """``sha256:<hex>`` of the tree in an uncompressed archive: what ``tree_digest`` says once it is unpacked.

    Raises BuildError for an archive that cannot be read or whose hard links name nothing.
    """
    try:
        with tar.open("rb") as stream:
            return tar_stream_digest(stream)
    except OSError as error:
        raise BuildError(f"could not read the archive {tar}: {error}", "remove it and build it again") from error


def tar_stream_digest(stream: IO[bytes]) -> str:
    """``tar_digest`` of an archive read once, from first byte to last, such as the output of ``docker export``."""
    records: dict[bytes, Record] = {}
    try:
        with tarfile.open(
            fileobj=stream, mode="r|", encoding="utf-8", errors="surrogateescape", bufsize=_CHUNK
        ) as archive:
            for member in archive:
                if (path := member_path(member.name)) and (record := _tar_record(archive, member, records)):
                    records[path] = record
    except tarfile.TarError as error:
        raise BuildError(f"not a readable tar archive: {error}", "remove it and build it again") from error
    return _fold({path: record for path, record in records.items() if not is_volatile(path)})


def member_path(name: str) -> bytes:
    """An archive member's name relative to the root: no ``./``, no slash at either end. Empty for the root itself."""
    path = os.fsencode(name).strip(b"/")
    while path.startswith(b"./"):
        path = path[2:].lstrip(b"/")
    return b"" if path == b"." else path


def _walk(folder: bytes, prefix: bytes) -> Iterator[tuple[bytes, os.DirEntry[bytes]]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            path = prefix + entry.name
            if is_volatile(path):
                continue
            yield path, entry
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path, path + b"/")


def _tree_record(path: bytes, info: os.stat_result, contents: dict[tuple[int, int], bytes]) -> Record:
    kind = stat.S_IFMT(info.st_mode)
    owner = b"%d:%d" % (info.st_uid, info.st_gid)
    mode = b"%o" % stat.S_IMODE(info.st_mode)
    if kind == stat.S_IFREG:
        inode = (info.st_dev, info.st_ino)
        content = contents.get(inode)
        if content is None:
            content = _file_sha256(path)
            if info.st_nlink > 1:
                contents[inode] = content
        return b"f", mode, owner, content, _capability(path)
    if kind == stat.S_IFDIR:
        return b"d", mode, owner
    if kind == stat.S_IFLNK:
        return b"l", owner, os.readlink(path)  # noqa: PTH115 - Path cannot hold a name that is only bytes
    if kind == stat.S_IFIFO:
        return b"p", mode, owner
    device = b"%d:%d" % (os.major(info.st_rdev), os.minor(info.st_rdev))
    return b"c" if kind == stat.S_IFCHR else b"b", mode, owner, device


def _tar_record(archive: tarfile.TarFile, member: tarfile.TarInfo, seen: dict[bytes, Record]) -> Record | None:
    owner = b"%d:%d" % (member.uid, member.gid)
    mode = b"%o" % stat.S_IMODE(member.mode)
    if member.isreg():
        stream = archive.extractfile(member)
        assert stream is not None  # a regular member always has a body
        digest = hashlib.sha256()
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
        capability = member.pax_headers.get(PAX_CAPABILITY, "").encode("utf-8", "surrogateescape")
        return b"f", mode, owner, digest.digest().hex().encode(), capability.hex().encode()
    if member.islnk():
        try:
            return seen[member_path(member.linkname)]
        except KeyError:
            raise BuildError(
                f"the archive's hard link {member.name!r} names nothing before it: {member.linkname!r}",
                "build the archive again",
            ) from None
    if member.isdir():
        return b"d", mode, owner
    if member.issym():
        return b"l", owner, os.fsencode(member.linkname)
    if member.isfifo():
        return b"p", mode, owner
    if member.ischr() or member.isblk():
        device = b"%d:%d" % (member.devmajor, member.devminor)
        return b"c" if member.ischr() else b"b", mode, owner, device
    return None


def _file_sha256(path: bytes) -> bytes:
    digest = hashlib.sha256()
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        while chunk := os.read(descriptor, _CHUNK):
            digest.update(chunk)
            if len(chunk) < _CHUNK:
                break  # a regular file read short is at its end: saves a system call for nearly every file
    finally:
        os.close(descriptor)
    return digest.hexdigest().encode()


def _capability(path: bytes) -> bytes:
    try:
        return os.getxattr(path, CAPABILITY, follow_symlinks=False).hex().encode()
    except OSError as error:
        if error.errno in _NO_CAPABILITY:
            return b""
        raise


def _fold(records: dict[bytes, Record]) -> str:
    """No field can hold a NUL, so fields that end in one, and a record that ends in two, cannot be misread."""
    digest = hashlib.sha256()
    for path in sorted(records):
        digest.update(b"\0".join((path, *records[path], b"\0")))
    return f"sha256:{digest.hexdigest()}"
