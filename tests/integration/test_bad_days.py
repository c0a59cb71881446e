"""Bad days on the real engines, through the command line: two clear lines, the right exit code, nothing left, and what
was measured is kept."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import pytest

from tests.support.command import started, tare, trials
from tests.support.images import local_image
from tests.support.traces import traces

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

FILES = {
    "www/index.html": "a good answer\n",
    "www/cgi-bin/broken": "#!/bin/sh\necho 'the till is locked' >&2\nprintf 'Status: 500 Broken\\r\\n\\r\\nsorry\\n'\n",
    "www/cgi-bin/slow": "#!/bin/sh\nexec sleep 30\n",
}
GOOD = 'argv = ["/bin/httpd", "-f", "-p", "8080", "-h", "/www"]'
CAPACITY = "capacity_shares = [0.5]"
RATE = "rates_rps = [50]"
EXPERIMENT = """
name = "badday"
question = "What happens on a bad day?"
workload = "image:{image}"
baseline = "{first}"
repeats = {repeats}
settle_s = 0
[service]
{argv}
port = {port}
[service.ready]
path = "{path}"
timeout_s = {timeout_s}
[matrix]
targets = {targets}
[limits]
memory_mib = 64
[load]
{load}
warmup_s = 0.2
duration_s = 1
capacity_s = 0.5
closed_users = 2
[validity] # this is not about figures, and the host may be busy with other tests
min_achieved_share = 0.2
max_send_lag_ms = 1000
max_generator_busy = 1
max_steal = 1
"""


@dataclass(frozen=True, slots=True)
class Day:
    """What an experiment has of its own."""

    targets: tuple[str, ...] = ("container",)
    argv: str = GOOD
    port: int = 8080
    path: str = "/"
    timeout_s: float = 20
    load: str = RATE
    repeats: int = 1

    def write(self, folder: Path, image: str) -> Path:
        file = folder / "badday.toml"
        settings = {name: getattr(self, name) for name in self.__slots__} | {"targets": list(self.targets)}
        file.write_text(EXPERIMENT.format(image=image, first=self.targets[0], **settings), "utf-8")
        return file


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    with local_image(FILES) as name:
        yield name


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of these tests stays in the host's cache."""
    monkeypatch.setenv("TARE_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path, own_cache: None) -> Iterator[None]:
    """Every bad day ends with a full teardown. If one does not, the next one begins on a clean host all the same."""
    before = traces()
    yield
    left = traces() - before
    tare(tmp_path / "sweep", "sweep")
    assert left == frozenset()


def test_an_image_that_does_not_exist(tmp_path: Path) -> None:
    ended = tare(tmp_path / "t", "quick", "tare-test-nowhere:9", "--port", "80", "--out", tmp_path / "campaign")
    assert ended.code == 2
    what, remedy = ended.complaint
    assert what == "there is no local image 'tare-test-nowhere:9'"
    assert "docker build" in remedy
    assert not (tmp_path / "campaign").exists()


ENDING = 'argv = ["/bin/sh", "-c", "echo opening the books; exit 3"]'
BAD_SERVICES = {
    "nobody listens": (
        Day(port=9, timeout_s=1),
        "no correct response within 1 s (198.18.0.10:9, last seen: refused)",
        "",
    ),
    "exits at once": (
        Day(("container", "process"), argv=ENDING),
        "the service ended before it answered (198.18.0.10:8080, last seen: ",
        " ended with exit code 3",
    ),
    "never becomes ready": (
        Day(("process",), path="/cgi-bin/slow", timeout_s=2),
        "no correct response within 2 s (198.18.0.10:8080, last seen: connected, but no answer to the request yet)",
        "",
    ),
    "answers 500": (
        Day(path="/cgi-bin/broken", timeout_s=1),
        "no correct response within 1 s (198.18.0.10:8080, last seen: status 500: sorry)",
        "the till is locked",
    ),
}


@pytest.mark.parametrize("name", BAD_SERVICES)
def test_a_service_that_does_not_come_up(name: str, image: str, tmp_path: Path) -> None:
    day, what, last_words = BAD_SERVICES[name]
    campaign = tmp_path / "campaign"
    file = replace(day, load=CAPACITY).write(tmp_path, image)
    ended = tare(tmp_path / "t", "run", file, "--out", campaign)
    assert ended.code == 1
    assert ended.complaint[0] == "No variant answered under load, so no load level can be set."
    assert what in ended.err
    assert last_words in ended.err

    records = trials(campaign)
    assert sorted((record.variant.target, record.attempt) for record in records) == sorted(
        product(day.targets, (1, 2, 3))
    )
    for record in records:
        assert record.outcome == "failed"
        assert record.failure is not None
        assert record.failure.kind == "NotReady"
        assert record.failure.what.startswith(what)
        assert last_words in record.failure.logs
        assert record.footprint, "what was known before it failed is kept"


@contextmanager
def tmpfs(at: Path, size: str) -> Iterator[Path]:
    """A disk of that size."""
    at.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tare-test", at], check=True)
    try:
        yield at
    finally:
        subprocess.run(["umount", at], check=True)


def fill(disk: Path) -> Path:
    """Take every free byte of it."""
    file = disk / "filler"
    with file.open("wb", buffering=0) as filler, pytest.raises(OSError, match="No space left"):
        while True:
            filler.write(bytes(4096))
    return file


def test_no_space_for_the_campaign(image: str, tmp_path: Path) -> None:
    with tmpfs(tmp_path / "disk", "16m") as disk:
        file = Day(("process",), repeats=3).write(tmp_path, image)
        with started(tmp_path / "t", "run", file, "--out", disk / "campaign") as running:
            running.until_printed(r"b1-01-process: startup")
            filler = fill(disk)
            ended = running.end()
        print(ended.out, ended.err)
        for record in trials(disk / "campaign"):
            print(record)
        subprocess.run(["df", disk], check=True)
        subprocess.run(["find", disk, "-ls"], check=True)
        filler.unlink()
        again = tare(tmp_path / "t", "run", "--resume", disk / "campaign")
        print(again.out, again.err)
        assert 0
