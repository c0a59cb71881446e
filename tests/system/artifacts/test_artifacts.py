"""Real root file systems, images and disks: one digest in every packaging, and nothing half-made."""

from __future__ import annotations

import os
import secrets
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import docker
import pytest

from harness.artifacts.api import Artifact
from harness.artifacts.builders.from_image import CONTAINER_PREFIX, build_from_image
from harness.artifacts.builders.rootfs import build_workload
from harness.artifacts.digest import tar_digest, tar_stream_digest, tree_digest
from harness.artifacts.packagings.directory import ensure_directory
from harness.artifacts.packagings.disk import allocated_bytes, ensure_disk
from harness.artifacts.packagings.image import DIGEST_LABEL, ensure_image, image_bytes
from harness.errors import SpecError
from harness.proxies.api import Route, Upstream
from harness.proxies.registry import make
from harness.spec.files import read_workload
from harness.spec.proxy import ProxySpec
from harness.spec.service import ServiceSpec
from tests.support.twice import twice

pytestmark = pytest.mark.timeout(1500)

ROOT = Path(__file__).resolve().parents[3]
HELLO = ROOT / "workloads" / "hello"


@pytest.fixture(scope="module")
def hello() -> Artifact:
    return build_workload(HELLO, read_workload(HELLO))


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that are quick: nothing of theirs stays in the host's cache."""
    monkeypatch.setenv("TARE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def client() -> Iterator[docker.DockerClient]:
    found = docker.from_env()
    yield found
    found.close()


@pytest.fixture
def scratch_image(client: docker.DockerClient) -> Iterator[str]:
    """An image as from ``FROM scratch``: one static binary, no shell, no /etc, a user, a variable, a workdir."""
    name = f"tare-test-{secrets.token_hex(4)}:1"
    archive = BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add("/bin/busybox", "server", filter=_executable)
    archive.seek(0)
    client.api.import_image(
        src=archive,
        repository=name.partition(":")[0],
        tag="1",
        changes=[
            'ENTRYPOINT ["/server"]', 'CMD ["httpd", "-f"]', "USER 1234", "WORKDIR /data", "EXPOSE 81/udp 8080",
            'ENV GREETING="a \\"b\\" \\$c"',
        ],
    )  # fmt: skip
    yield name
    client.images.remove(name, force=True)


def _executable(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.mode, info.uid, info.gid, info.uname, info.gname = 0o755, 0, 0, "", ""
    return info


def exported_digest(client: docker.DockerClient, image: str) -> str:
    """The digest of the file system of a new container of ``image``."""
    container = client.api.create_container(image, name=f"tare-test-{secrets.token_hex(4)}")
    try:
        export = subprocess.Popen(["docker", "export", container["Id"]], stdout=subprocess.PIPE)
        assert export.stdout is not None
        with export:
            return tar_stream_digest(export.stdout)
    finally:
        client.api.remove_container(container["Id"], force=True)


def mounted_digest(disk: Path, at: Path) -> str:
    at.mkdir()
    subprocess.run(["mount", "-o", "loop,ro", disk, at], check=True)
    try:
        return tree_digest(at)
    finally:
        subprocess.run(["umount", at], check=True)


def test_every_packaging_has_the_digest_of_the_artifact(
    hello: Artifact, client: docker.DockerClient, tmp_path: Path
) -> None:
    assert tar_digest(hello.tar) == hello.digest
    assert tree_digest(ensure_directory(hello)) == hello.digest
    assert exported_digest(client, ensure_image(hello)) == hello.digest
    disk = ensure_disk(hello)
    assert mounted_digest(disk, tmp_path / "mnt") == hello.digest
    assert subprocess.run(["e2fsck", "-fn", disk], capture_output=True, check=False).returncode == 0
    assert hello.tar.stat().st_size * 0.8 < allocated_bytes(disk) < disk.stat().st_size


def test_the_same_inputs_give_the_same_archive_and_a_second_use_builds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, again = twice(lambda: build_workload(HELLO, read_workload(HELLO)), tmp_path, monkeypatch)
    assert again.folder != first.folder
    assert again.digest == first.digest
    assert again.tar.read_bytes() == first.tar.read_bytes()
    before = again.tar.stat()
    assert build_workload(HELLO, read_workload(HELLO)) == again
    after = again.tar.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.usefixtures("own_cache")
def test_an_image_with_another_configuration_replaces_the_one_before(
    scratch_image: str, client: docker.DockerClient
) -> None:
    artifact = build_from_image(scratch_image)
    first = client.images.get(ensure_image(artifact)).id
    other = replace(artifact, config=replace(artifact.config, argv=("/server", "--help")))
    name = ensure_image(other)
    try:
        assert client.images.get(name).attrs["Config"]["Cmd"] == ["/server", "--help"]
        assert first not in [image.id for image in client.images.list(all=True)]
    finally:
        client.images.remove(name, force=True)


def test_a_proxy_has_one_image_whatever_it_is_told(client: docker.DockerClient) -> None:
    """A second one would be another import of the whole tree in every trial."""
    proxy = make("haproxy")
    artifacts = [
        proxy.proxy_service(ProxySpec(kind=proxy.name), [Route("/", (Upstream("svc", host, 80),))]).artifact
        for host in ("198.18.0.1", "198.18.0.2")
    ]
    assert artifacts[0].config != artifacts[1].config
    assert len({client.images.get(ensure_image(artifact)).id for artifact in artifacts}) == 1


def test_the_image_is_made_once_and_carries_the_configuration(hello: Artifact, client: docker.DockerClient) -> None:
    name = ensure_image(hello)
    image = client.images.get(name)
    assert ensure_image(hello) == name
    assert client.images.get(name).id == image.id
    assert image.labels[DIGEST_LABEL] == hello.digest
    config = image.attrs["Config"]
    assert config["Cmd"] == list(hello.config.argv)
    assert config["Env"] == [f"{key}={value}" for key, value in hello.config.env]
    assert (config["User"], config["WorkingDir"]) == ("1000:1000", "/app")
    assert image_bytes(hello) > hello.tar.stat().st_size * 0.8


@pytest.mark.usefixtures("own_cache")
def test_an_image_without_a_shell_becomes_an_artifact(scratch_image: str, client: docker.DockerClient) -> None:
    artifact = build_from_image(scratch_image, ServiceSpec(port=9000))
    assert artifact.config.argv == ("/server", "httpd", "-f")
    assert dict(artifact.config.env)["GREETING"] == 'a "b" $c'
    assert (artifact.config.user.uid, artifact.config.user.gid, artifact.config.user.home) == (1234, 0, "/")
    assert (artifact.config.workdir, artifact.config.ports) == ("/data", (9000, 8080))
    assert exported_digest(client, scratch_image) == artifact.digest
    assert exported_digest(client, ensure_image(artifact)) == artifact.digest
    assert tree_digest(ensure_directory(artifact)) == artifact.digest
    assert (artifact.directory / "etc/hosts").read_text().startswith("127.0.0.1\tlocalhost\n")
    made = client.images.get(artifact.image).attrs["Config"]
    assert made["Env"] == [f"{key}={value}" for key, value in artifact.config.env]
    client.images.remove(artifact.image, force=True)


@pytest.mark.usefixtures("own_cache")
def test_an_image_of_several_layers(hello: Artifact, client: docker.DockerClient, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(
        f"FROM {ensure_image(hello)}\nUSER root\n"
        "RUN rm /app/main.py && mkdir -m 2750 /srv/a && chown 7:8 /srv/a && ln /etc/passwd /srv/hard && "
        "mkdir -p /run/thing && ln -s nowhere /srv/soft && "
        "echo team:x:77: >> /etc/group && sed -i s/^audio:.*/\\&worker/ /etc/group && "
        "echo worker:x:7:77::/home/worker:/bin/sh >> /etc/passwd\n"
        'USER worker\nWORKDIR /srv/a\nENV A=1 B="two words"\nENTRYPOINT ["sleep"]\nCMD ["60"]\n'
    )
    tag = f"tare-test-{secrets.token_hex(4)}"
    subprocess.run(
        ["docker", "build", "-q", "--force-rm", "--network=none", "-t", tag, tmp_path],
        env={**os.environ, "DOCKER_BUILDKIT": "0"}, check=True, capture_output=True,
    )  # fmt: skip
    try:
        artifact = build_from_image(tag)
        assert artifact.config.argv == ("sleep", "60")
        user = artifact.config.user
        assert (user.uid, user.gid, user.groups, user.home) == (7, 77, (29,), "/home/worker")
        assert {"A": "1", "B": "two words", "UVICORN_PORT": "8000"}.items() <= dict(artifact.config.env).items()
        assert artifact.config.workdir == "/srv/a"
        tree = ensure_directory(artifact)
        assert not (tree / "app/main.py").exists()
        assert (tree / "run/thing").is_dir()
        assert (tree / "srv/a").stat().st_mode & 0o7777 == 0o2750
        assert tree_digest(tree) == artifact.digest == exported_digest(client, tag)
        assert mounted_digest(ensure_disk(artifact), tmp_path / "mnt") == artifact.digest
        assert build_from_image(tag) == artifact
    finally:
        client.images.remove(tag, force=True)
    assert not client.containers.list(all=True, filters={"name": CONTAINER_PREFIX})


@pytest.mark.usefixtures("own_cache")
def test_an_image_that_does_not_exist_names_similar_ones(scratch_image: str) -> None:
    with pytest.raises(SpecError, match="there is no local image") as caught:
        build_from_image(scratch_image.replace(":1", ":2"))
    assert scratch_image in caught.value.remedy


@pytest.mark.usefixtures("own_cache")
def test_an_image_that_says_nothing_to_run_is_refused_unless_told(client: docker.DockerClient) -> None:
    name = f"tare-test-{secrets.token_hex(4)}"
    archive = BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add("/bin/busybox", "server", filter=_executable)
    client.api.import_image(src=BytesIO(archive.getvalue()), repository=name, tag="latest")
    try:
        with pytest.raises(SpecError, match="nothing about what to run"):
            build_from_image(name)
        assert build_from_image(name, ServiceSpec(port=80, argv=("/server",))).config.argv == ("/server",)
    finally:
        client.images.remove(name, force=True)
