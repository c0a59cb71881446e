"""``tare quick`` on images that are not Tare's: Debian's nginx from a plain Dockerfile, and a static binary alone."""

from __future__ import annotations

import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.artifacts.builders.from_image import build_from_image
from harness.artifacts.builders.guest import guest_disk
from harness.host.paths import cache_dir
from harness.records.instance import Digests
from harness.spec.service import Readiness
from harness.targets.process.target import ProcessTarget
from tests.support import hello, plain_images
from tests.support.command import started, trials
from tests.support.deploy import bridged_lab, deployed
from tests.support.peek import server_header
from tests.support.traces import traces

pytestmark = [pytest.mark.alone, pytest.mark.timeout(1500)]

NGINX = """FROM {base}
COPY nginx.conf /etc/nginx/nginx.conf
RUN mkdir -p /srv/site && echo 'from a plain Dockerfile' > /srv/site/index.html
ENV GREETING="a \\"quoted\\" \\$word"
WORKDIR /srv/site
USER www-data
EXPOSE 8080
CMD ["sh", "-c", "echo \\"$(id -un):$(id -gn) in $PWD says $GREETING\\" >&2; exec nginx -g 'daemon off;'"]
"""
CONFIGURATION = """pid /tmp/nginx.pid;
error_log /dev/stderr;
worker_processes 1;
events {}
http {
    access_log off;
    client_body_temp_path /tmp/body;
    proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi;
    scgi_temp_path /tmp/scgi;
    server {
        listen 8080;
        root /srv/site;
    }
}
"""


SCRATCH = """FROM scratch
COPY server /bin/server
ENV GREETING=nothing
WORKDIR /data
USER 1234:4321
ENTRYPOINT ["/bin/server"]
"""
NOISE = re.compile("steal |p99 send lag |generator core ")
"""What an attempt may be invalid of."""

SOURCE = Path(plain_images.__file__).with_name("static_server.c")


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is exported of these images goes with them; the guest's disk is the host's, and QEMU can read both."""
    guest_disk()
    shared = cache_dir()
    folder = shared / f"test-{secrets.token_hex(4)}"
    folder.mkdir(mode=0o755)
    for built in (*shared.glob("guest-*"), shared / "accelerator.json"):
        (folder / built.name).symlink_to(built)
    monkeypatch.setenv("TARE_CACHE", str(folder))
    yield
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def base() -> str:
    """Debian with nginx, made before a test has a cache of its own."""
    return plain_images.base_of("nginx")


def test_nginx_from_a_plain_dockerfile(base: str, tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "Dockerfile": NGINX.format(base=base),
        "nginx.conf": CONFIGURATION,
    }
    image = plain_images.build(tmp_path / "context", "tare-test-nginx", files)
    said = {**compare(tmp_path, image, ("container", "vm")), "process": as_process(tmp_path, image)}
    assert all(server.startswith("nginx/") for server, _ in said.values()), said
    assert {greeting for _, greeting in said.values()} == {'www-data:www-data in /srv/site says a "quoted" $word'}


def test_a_static_binary_on_nothing(tmp_path: Path) -> None:
    server = tmp_path / "server"
    subprocess.run(["gcc", "-static", "-O2", "-o", server, SOURCE], check=True)
    files: dict[str, str | bytes] = {"Dockerfile": SCRATCH, "server": server.read_bytes()}
    image = plain_images.build(tmp_path / "context", "tare-test-scratch", files)
    said = compare(tmp_path, image, ("process", "container"))
    assert set(said.values()) == {("static", "1234:4321 in /data says nothing")}


def as_process(folder: Path, image: str) -> tuple[str, str]:
    """What ``compare`` returns of a target, of a bare process, in less time."""
    target, artifact = ProcessTarget(), build_from_image(image)
    target.prepare(artifact)
    service = replace(hello.service(artifact), port=8080, ready=Readiness())
    with bridged_lab("quick") as lab, deployed(target, service, lab, folder) as made:
        assert made.instance.content_digest() == artifact.digest
        return server_header(str(lab.client_netns), 8080) or "", made.instance.logs().splitlines()[0]


def compare(folder: Path, image: str, targets: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    """``tare quick``: what each target's service called itself to a client, and the first line that it logged.

    Every attempt must be of one and the same artifact, and nothing be left. This is not about figures: an attempt may
    be invalid, but of the host's noise alone, and the exit code must say exactly whether a trial stayed so.
    """
    campaign = folder / "campaign"
    servers: dict[str, str] = {}

    def look() -> None:
        # While they are calibrated, so that no figure is disturbed.
        for target in targets:
            if target not in servers and (server := server_header(f"tare-*-calibrate-{target}-a*-client", 8080)):
                servers[target] = server

    before = traces()
    words = ("quick", image, "--port", "8080", "--targets", ",".join(targets), "--repeats", "1", "--out", campaign)
    try:
        with started(folder / "t", *words) as running:
            ended = running.end_watched(look)
    finally:
        plain_images.remove_kin(image)
    assert traces() == before

    records = trials(campaign)
    assert [record.failure for record in records if record.failure] == []
    assert [why for record in records for why in record.invalid if not NOISE.match(why)] == []
    measured = [record for record in records if record.kind == "measured"]
    assert {record.variant.name for record in measured} == {*targets, f"{targets[0]}-aa"}
    settled = {record.trial for record in records if record.valid} == {record.trial for record in records}
    assert ended.code == (0 if settled else 1), ended
    assert len({record.artifact_digest for record in records}) == 1
    assert {record.digests for record in records} == {Digests(expected=(it := records[0].artifact_digest), observed=it)}
    logs = {record.variant.target: f"{record.trial}-a{record.attempt}" for record in records}
    return {
        target: (servers[target], (campaign / "trials" / log / "service.log").read_text().splitlines()[0])
        for target, log in logs.items()
    }
