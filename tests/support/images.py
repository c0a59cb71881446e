"""Small local images for tests of the whole command line: one static binary that is a shell and a web server."""

from __future__ import annotations

import io
import secrets
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker

from harness.artifacts.builders.from_image import artifact_name

_BUSYBOX = Path("/bin/busybox")
_APPLETS = ("sh", "httpd", "sleep", "echo", "cat", "id", "nc")


@contextmanager
def local_image(files: dict[str, str]) -> Iterator[str]:
    """An image of busybox and ``files`` (executable; path to content), and its name; gone afterwards with its kin."""
    name = f"tare-test-{secrets.token_hex(4)}"
    client = docker.from_env()
    try:
        import_image(client, name, files)
        yield f"{name}:1"
    finally:
        for image in client.images.list():
            if any(tag == f"{name}:1" or tag.startswith(f"tare/{artifact_name(name)}-1:") for tag in image.tags):
                client.images.remove(str(image.id), force=True)
        client.close()


def import_image(client: docker.DockerClient, name: str, files: dict[str, str]) -> None:
    """Make that image as ``NAME:1``."""
    client.api.import_image(src=_archive(files), repository=name, tag="1")


def _archive(files: dict[str, str]) -> io.BytesIO:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(_BUSYBOX, "bin/busybox", filter=_plain)
        for applet in _APPLETS:
            link = _plain(tarfile.TarInfo(f"bin/{applet}"))
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        for path, content in files.items():
            file = _plain(tarfile.TarInfo(path))
            file.size = len(content.encode())
            tar.addfile(file, io.BytesIO(content.encode()))
    archive.seek(0)
    return archive


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.mode, info.uid, info.gid, info.uname, info.gname, info.mtime = 0o755, 0, 0, "", "", 0
    return info
