"""A workload answers alike in its root file system and embedded."""

from __future__ import annotations

import http.client
import json
import subprocess
from pathlib import Path

import pytest

from harness.artifacts.builders.embedded import build_embedded
from harness.artifacts.builders.rootfs import build_workload
from harness.artifacts.digest import tree_digest
from harness.artifacts.packagings.directory import ensure_directory
from harness.spec.files import read_workload
from tests.support.until import until

pytestmark = pytest.mark.timeout(1500)

ROOT = Path(__file__).resolve().parents[3]
HELLO = ROOT / "workloads" / "hello"


def test_the_workload_answers_in_its_root_file_system_as_it_does_embedded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hello = build_workload(HELLO, read_workload(HELLO))
    monkeypatch.setenv("TARE_CACHE", str(tmp_path))
    embedded = build_embedded(HELLO, read_workload(HELLO))
    user = hello.config.user
    env = dict(hello.config.env)
    in_rootfs = [
        *("chroot", f"--userspec={user.uid}:{user.gid}", str(ensure_directory(hello))),
        *("/usr/bin/env", "-i", f"--chdir={hello.config.workdir}"),
        *(f"{key}={value}" for key, value in {**env, "UVICORN_HOST": "127.0.0.1", "UVICORN_PORT": "18471"}.items()),
        *hello.config.argv,
    ]
    here = {**dict(embedded.config.env), "UVICORN_HOST": "127.0.0.1", "UVICORN_PORT": "18472"}
    with (
        subprocess.Popen(in_rootfs) as rooted,
        subprocess.Popen(embedded.config.argv, env=here, cwd=embedded.config.workdir) as bare,
    ):
        try:
            answers = [[answer(port, *request) for request in REQUESTS] for port in (18471, 18472)]
        finally:
            rooted.terminate()
            bare.terminate()
    assert tree_digest(embedded.directory) == embedded.digest, "serving changed the tree"
    assert tree_digest(hello.directory) == hello.digest, "serving changed the tree"
    assert answers[0] == answers[1]
    assert [status for status, _, _ in answers[0]] == [200, 200, 404, 422, 422, 200, 413, 200, 404, 405]
    assert answers[0][0][2] == b'{"status":"ok"}'
    assert json.loads(answers[0][1][2]) == {"id": 1, "name": "item-0001", "price_cents": 8019, "stock": 229}
    assert answers[0][5] == (200, "text/x-odd", b"\0\xff bytes")
    assert answers[0][7][1] == "application/octet-stream"
    assert len(answers[0][7][2]) == 100_000


REQUESTS: tuple[tuple[str, str, bytes | None], ...] = (
    ("GET", "/health", None),
    ("GET", "/items/1", None),
    ("GET", "/items/1001", None),
    ("GET", "/items/-1", None),
    ("GET", "/items/99999999999999999999", None),
    ("POST", "/echo", b"\0\xff bytes"),
    ("POST", "/echo", bytes(1_000_001)),
    ("GET", "/static/blob.bin", None),
    ("GET", "/static/../main.py", None),
    ("GET", "/echo", None),
)


def answer(port: int, method: str, path: str, body: bytes | None) -> tuple[int, str, bytes]:
    """What the service answers once it listens."""

    def asked() -> tuple[int, str, bytes] | None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request(method, path, body, {"content-type": "text/x-odd"})
            response = connection.getresponse()
            return response.status, response.headers.get("content-type", ""), response.read()
        except ConnectionRefusedError:
            return None
        finally:
            connection.close()

    found = until(asked)
    assert found is not None
    return found
