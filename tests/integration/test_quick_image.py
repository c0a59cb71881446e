"""``tare quick`` on images that are not Tare's: Debian's nginx from a plain Dockerfile, and a static binary alone."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.artifacts.from_image import artifact_name
from harness.artifacts.guest import guest_disk
from harness.host.paths import cache_dir
from tests.support import plain_images
from tests.support.command import Ended, started, tare, trials
from tests.support.traces import traces

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

NGINX = """FROM {base}
RUN apt-get update && apt-get install -y --no-install-recommends nginx && rm -rf /var/lib/apt/lists/*
COPY nginx.conf /etc/nginx/nginx.conf
RUN mkdir -p /srv/site && echo 'from a plain Dockerfile' > /srv/site/index.html
ENV GREETING="a \\"quoted\\" $HOME"
WORKDIR /srv/site
USER www-data
EXPOSE 8080
CMD ["sh", "-c", "echo \\"$(id -un):$(id -gn) in $PWD says $GREETING\\" >&2; exec nginx -g 'daemon off;'"]
"""
CONFIGURATION = """pid /tmp/nginx.pid;
error_log stderr;
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


@pytest.fixture
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


def test_nginx_from_a_plain_dockerfile(own_cache: None, tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    files = {"Dockerfile": NGINX.format(base=plain_images.debian_base()), "nginx.conf": CONFIGURATION}
    image = plain_images.build(context, "tare-test-nginx:1", files)
    campaign = tmp_path / "campaign"
    words = ("quick", image, "--port", "8080", "--targets", "container,process,vm", "--repeats", "1")
    with started(tmp_path / "t", *words, "--out", campaign) as running:
        ended = running.end()
    print(ended.out, ended.err)
    for log in campaign.glob("trials/*/service.log"):
        print(log, log.read_text()[:300])
    pytest.fail("look")
