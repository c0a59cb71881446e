"""What is done to a tree so that the same inputs always give the same tree, and the archive of it."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.artifacts.builders.debian import SOURCE_DATE_EPOCH
from harness.artifacts.tools import run_tool
from harness.errors import SpecError

_EMPTIED = ("var/cache", "var/log", "var/lib/apt", "var/tmp", "tmp", "run", "dev", "proc", "sys", "boot", "etc/apt")
_REMOVED = (
    "etc/machine-id",
    "var/lib/dbus/machine-id",
    "etc/hostname",
    "etc/resolv.conf",
    "etc/mtab",
    "etc/.pwd.lock",
    "var/lib/dpkg/lock",
    "var/lib/dpkg/lock-frontend",
    "var/lib/systemd/random-seed",
)
_BACKUPS = ("etc/passwd-", "etc/*group-", "etc/*shadow-", "etc/sub?id-", "var/lib/dpkg/*-old")
HOSTS = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"


def copy_app(source: Path, target: Path) -> None:
    """Copy an app tree without byte code; permissions become 755 or 644, as a version control system keeps them.

    Raises SpecError for a symbolic link that leads out of the tree, and for what is neither file, folder nor link.
    """
    root = source.resolve()
    target.mkdir(mode=0o755, parents=True)
    for path in app_entries(source):
        copy = target / path.relative_to(source)
        if path.is_symlink():
            if not path.resolve().is_relative_to(root):
                raise SpecError(f"{path} links to a place outside the app tree", "remove the link or keep it inside")
            copy.symlink_to(path.readlink())
        elif path.is_dir():
            copy.mkdir()
        elif path.is_file():
            shutil.copyfile(path, copy)
            copy.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)
        else:
            raise SpecError(f"{path} is neither a file nor a folder nor a link", "remove it from the app tree")


def app_entries(source: Path) -> Iterator[Path]:
    """Every entry of an app tree that belongs to it, folders before what they hold, sorted by name."""
    for path in sorted(source.iterdir()):
        if path.name == "__pycache__" or path.suffix == ".pyc":
            continue
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from app_entries(path)


def normalise_modes(tree: Path) -> None:
    """Folders 755, files 755 or 644: an installation's umask must not show."""
    for folder, _, files in os.walk(tree):
        Path(folder).chmod(0o755)
        for file in (Path(folder, name) for name in files):
            if not file.is_symlink():
                file.chmod(0o755 if file.stat().st_mode & stat.S_IXUSR else 0o644)


def scrub(tree: Path) -> None:
    """Remove what differs from build to build, and what a service never needs: caches, logs, lists, ids, locks."""
    for relative in _EMPTIED:
        if (folder := tree / relative).is_dir() and not folder.is_symlink():
            for entry in folder.iterdir():
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry)
                else:
                    entry.unlink()
    for relative in _REMOVED:
        (tree / relative).unlink(missing_ok=True)
    for pattern in _BACKUPS:
        for file in tree.glob(pattern):
            file.unlink()
    for cache in list(tree.rglob("__pycache__")):
        shutil.rmtree(cache)


def add_mount_points(tree: Path) -> None:
    """Make sure of the folders that every target mounts something on, and of a name for the loopback address."""
    for relative, mode in (("dev", 0o755), ("proc", 0o755), ("sys", 0o755), ("run", 0o755), ("tmp", 0o1777)):
        folder = tree / relative
        folder.mkdir(exist_ok=True)
        folder.chmod(mode)
    (tree / "etc").mkdir(exist_ok=True)
    (tree / "etc/hosts").write_text(HOSTS, "utf-8")
    (tree / "etc/resolv.conf").touch()


def compile_python(tree: Path, python: str) -> None:
    """Compile the standard library and the app with the tree's own Python, if it has one.

    Byte code speeds up every start, as in an ordinary installation; it is bound to no time stamp (unchecked hashes), so
    it is the same in every build.
    """
    if not (tree / f"usr/bin/python{python}").exists():
        return
    folders = [Path(f"/usr/lib/python{python}"), Path("/usr/lib/python3"), Path("/app")]
    there = [folder for folder in folders if (tree / folder.relative_to("/")).is_dir()]
    compile_with(["chroot", str(tree), f"/usr/bin/python{python}"], Path("/"), there, own_pids=True)


def compile_with(interpreter: Sequence[str], root: Path, folders: Sequence[Path], *, own_pids: bool = False) -> None:
    """Compile every module in ``folders``, under the names that they have below ``root``."""
    run_tool(
        [
            *(*interpreter, "-I", "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash"),
            *("-s", str(root), "-p", "/", *map(str, folders)),
        ],
        where=root,
        remedy="read the log below; the file that it names cannot be compiled by that Python",
        env={"PYTHONHASHSEED": "0"},
        own_pids=own_pids,
    )


def write_tar(tree: Path, tar: Path) -> None:
    """Archive the tree: sorted, numeric owners, no times but the modification times, none after SOURCE_DATE_EPOCH."""
    run_tool(
        [
            *("tar", "--create", f"--file={tar}", f"--directory={tree}", "--numeric-owner", "--sort=name"),
            *("--format=pax", "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime"),
            *("--xattrs", "--xattrs-include=security.capability"),
            *(f"--mtime=@{SOURCE_DATE_EPOCH}", "--clamp-mtime", "."),
        ],
        where=tar.parent,
        remedy="run as root",
    )


def app_digest(source: Path) -> str:
    """``sha256:<hex>`` of what ``copy_app`` would copy, whoever owns it and whenever it was made."""
    digest = hashlib.sha256()
    for path in app_entries(source):
        if path.is_symlink():
            kind, content = b"l", os.fsencode(path.readlink())
        elif path.is_dir():
            kind, content = b"d", b""
        else:
            kind = b"x" if path.stat().st_mode & stat.S_IXUSR else b"f"
            content = hashlib.sha256(path.read_bytes()).digest()
        for part in (kind, os.fsencode(path.relative_to(source)), content):
            digest.update(b"%d:" % len(part) + part)
    return f"sha256:{digest.hexdigest()}"
