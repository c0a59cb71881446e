"""Every mistake in a workload's folder is named by file, key and what is allowed; nothing leads out of the folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import SpecError
from harness.spec.files import read_workload
from harness.spec.service import Readiness
from harness.spec.workload import inside_folder

GOOD = """
name = "shop"
exchanges = [{ path = "/health" }, { path = "/echo", method = "POST", body = "x", status = 201 }]

[rootfs]
packages = ["python3", "libsqlite3-0"]
requirements = "app/requirements.lock"

[service]
argv = ["/usr/bin/python3", "main.py"]
env = { PORT = "8000" }
workdir = "/app"
port = 8000

[service.ready]
path = "/health"
body_contains = "ok"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "workloads" / "shop"
    (path / "app").mkdir(parents=True)
    (path / "app" / "requirements.lock").touch()
    (path / "locustfile.py").touch()
    (path / "workload.toml").write_text(GOOD, "utf-8")
    return path


def mistake(folder: Path, old: str = "", new: str = "") -> SpecError:
    if old:
        assert old in GOOD
        (folder / "workload.toml").write_text(GOOD.replace(old, new, 1), "utf-8")
    with pytest.raises(SpecError) as caught:
        read_workload(folder)
    assert str(folder / "workload.toml") in caught.value.what
    assert "\n" not in caught.value.what + caught.value.remedy
    return caught.value


def test_a_good_folder_is_read(folder: Path) -> None:
    found = read_workload(folder)
    assert found.service is not None
    assert (found.name, found.service.port, found.rootfs.suite) == ("shop", 8000, "bookworm")
    assert [exchange.status for exchange in found.exchanges] == [200, 201]


@pytest.mark.parametrize(
    ("old", "new", "key", "allowed"),
    [
        ("port = 8000", "ports = 8000", "service.ports is not a known key", "argv, env, port"),
        ("port = 8000", "port = 80000", "service.port", "at most 65535"),
        ("port = 8000", "", "service.port is missing", ""),
        ('path = "/health"\nbody', 'path = "health"\nbody', "service.ready.path", "what matches ^/"),
        ('path = "/health"\nbody', 'path = "/a b"\nbody', "service.ready.path", "what matches ^/"),
        ('method = "POST"', 'method = "DELETE"', "exchanges.1.method", "^(GET|POST|PUT)$"),
        ("status = 201", "status = 99", "exchanges.1.status", "at least 100"),
        ('"python3",', '"Python 3; rm -rf /",', "rootfs.packages.0", ""),
        ('{ PORT = "8000" }', '{ "A=B" = "8000" }', "service.env", "not usable as an environment variable"),
        ('{ PORT = "8000" }', "{ PORT = 8000 }", "service.env.PORT", "valid string"),
        ('"main.py"]', '"main.py\\u0000"]', "service.argv", "NUL"),
        ('workdir = "/app"', 'workdir = "app"', "service.workdir", "begins with /"),
        ('name = "shop"', 'name = "store"', "'store', but the folder is 'shop'", ""),
    ],
)
def test_a_mistake_is_named_by_file_key_and_what_is_allowed(
    folder: Path, old: str, new: str, key: str, allowed: str
) -> None:
    found = mistake(folder, old, new)
    assert key in found.what
    assert allowed in f"{found.what} {found.remedy}"


def test_a_missing_workload_lists_those_that_are_there(folder: Path) -> None:
    found = mistake(folder.with_name("shpo"))
    assert "no workload 'shpo'" in found.what
    assert "shop" in found.remedy
    assert "image:" in found.remedy


@pytest.mark.parametrize("path", ["../secrets", "/etc", "app/../../x", ""])
@pytest.mark.parametrize("key", ["app", "requirements", "locustfile"])
def test_a_path_out_of_the_folder_is_refused(folder: Path, key: str, path: str) -> None:
    line = f'{key} = "{path}"\n'
    text = GOOD.replace('requirements = "app/requirements.lock"\n', "")
    text = line + text if key == "locustfile" else text.replace("[rootfs]\n", f"[rootfs]\n{line}")
    (folder / "workload.toml").write_text(text, "utf-8")
    found = mistake(folder)
    assert key in found.what
    assert "must be a relative path inside the workload's folder" in found.what


def test_a_link_out_of_the_folder_is_refused(folder: Path) -> None:
    (folder / "app" / "requirements.lock").unlink()
    (folder / "app" / "requirements.lock").symlink_to("/etc/passwd")
    found = mistake(folder)
    assert "rootfs.requirements" in found.what
    assert "leads out" in found.what


def test_what_a_key_names_must_be_there(folder: Path) -> None:
    (folder / "locustfile.py").unlink()
    found = mistake(folder)
    assert "locustfile = 'locustfile.py' does not exist" in found.what
    assert str(folder / "locustfile.py") in found.remedy


@given(st.lists(st.sampled_from(["..", ".", "a", "/", "", "b.c"]), max_size=6).map("/".join))
def test_what_is_accepted_stays_inside(path: str) -> None:
    try:
        accepted = inside_folder(path)
    except ValueError:
        return
    root = Path("/srv/workload")
    resolved = Path("/srv/workload", accepted).resolve()
    assert resolved.is_relative_to(root)
    assert resolved != root


@pytest.mark.parametrize(
    ("ready", "status", "body", "accepted"),
    [
        (Readiness(), 200, b"anything", True),
        (Readiness(), 500, b"anything", False),
        (Readiness(status=404), 404, b"", True),
        (Readiness(body="ok"), 200, b"ok", True),
        (Readiness(body="ok"), 200, b"ok\n", False),
        (Readiness(body_contains="ok"), 200, b"all ok here", True),
        (Readiness(body_contains="ok"), 200, b"starting", False),
    ],
)
def test_a_response_is_correct_by_status_and_body(ready: Readiness, status: int, body: bytes, accepted: bool) -> None:
    assert ready.accepts(status, body) is accepted
