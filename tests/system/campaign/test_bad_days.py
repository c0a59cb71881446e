"""Bad days on the real engines, through the command line: two clear lines, the right exit code, nothing left, and what
was measured is kept."""

from __future__ import annotations

import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import docker
import pytest

from harness.errors import DeployError
from harness.planning.plan import plan
from harness.spec.files import read_experiment
from tests.support.command import ROOT, started, tare, trials
from tests.support.deploy import bridged_lab
from tests.support.images import import_image, local_image
from tests.support.own_docker import own_docker
from tests.support.traces import traces

pytestmark = [pytest.mark.alone, pytest.mark.timeout(1500)]

FILES = {
    "www/index.html": "a good answer\n",
    "www/cgi-bin/broken": "#!/bin/sh\necho 'the till is locked' >&2\nprintf 'Status: 500 Broken\\r\\n\\r\\nsorry\\n'\n",
    "www/cgi-bin/slow": "#!/bin/sh\nexec sleep 30\n",
}
IMAGE_ELSEWHERE = "tare-test-elsewhere"
BRIDGE_NAME = "com.docker.network.bridge.name"
QUICKSTART = ROOT / "benches" / "quickstart.toml"
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
duration_s = {duration_s}
capacity_s = 0.5
null_steps = 2
closed_users = 2
[validity] # this is not about figures, and the host may be busy with other tests
min_achieved_share = 0.01
max_send_lag_ms = 60_000
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
    duration_s: float = 1
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
def nothing_left(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Every bad day ends with a full teardown. If one does not, the next one begins on a clean host all the same.

    Nothing of these tests stays in the host's cache either.
    """
    monkeypatch.setenv("TARE_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    before = traces()
    yield
    left = traces() - before
    tare(tmp_path / "sweep", "sweep")
    assert left == frozenset()


def test_an_image_that_does_not_exist(tmp_path: Path) -> None:
    ended = tare(tmp_path / "t", "quick", "tare-test-nowhere:9", "--port", "80", "--out", tmp_path / "campaign")
    assert ended.code == 2
    what, remedy = ended.complaint
    assert "tare-test-nowhere:9" in what
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
    assert ended.complaint
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
        assert record.footprint.parts, "what was known before it failed is kept"


def fill(disk: Path) -> Path:
    """Take every free byte of it."""
    file = disk / "filler"
    with suppress(OSError), file.open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))
    assert shutil.disk_usage(disk).free == 0
    return file


def test_no_space_for_the_campaign(image: str, tmp_path: Path) -> None:
    with tmpfs(tmp_path / "disk", "16m") as disk:
        campaign = disk / "campaign"
        file = Day(("process",), repeats=2).write(tmp_path, image)
        with started(tmp_path / "t", "run", file, "--out", campaign) as running:
            running.until_printed(r"b1-01-process: startup")
            filler = fill(disk)
            ended = running.end()
        assert ended.code == 1
        what, remedy = ended.complaint
        assert str(campaign) in what
        assert f"tare run --resume {campaign}" in remedy
        assert valid(campaign) == ["b1-01-process"]

        filler.unlink()
        assert tare(tmp_path / "t", "run", "--resume", campaign).code == 0
        assert valid(campaign) == ["b1-01-process", "b2-01-process"]


@pytest.mark.parametrize("workload", ["image", "hello"])
def test_no_space_for_the_cache(workload: str, image: str, tmp_path: Path) -> None:
    file = Day().write(tmp_path, image) if workload == "image" else QUICKSTART
    with tmpfs(tmp_path / "disk", "1m") as disk:
        cache = {"TARE_CACHE": str(disk / "cache")}
        ended = tare(tmp_path / "t", "run", file, "--out", tmp_path / "campaign", env=cache)
        assert ended.code == 1
        what, remedy = ended.complaint
        assert str(disk) in what
        assert "TARE_CACHE" in remedy
        assert not (tmp_path / "campaign").exists()
        assert list((disk / "cache/artifacts").glob("[!.]*")) == []
        assert list((disk / "cache/artifacts").glob("*.partial")) == []


def test_an_address_range_that_is_in_use_as_a_whole(image: str, tmp_path: Path) -> None:
    file = Day(("process",)).write(tmp_path, image)
    with route("198.18.0.0/15"):
        ended = tare(tmp_path / "t", "run", file, "--out", tmp_path / "campaign")
    assert ended.code == 3
    what, remedy = ended.complaint
    assert "198.18.0.0/15" in what
    assert "ip route show" in remedy


def test_an_address_range_that_is_in_use_in_part() -> None:
    """By a route, and by a Docker network whose bridge is gone: Docker would refuse its addresses all the same."""
    network = f"tare-test-{secrets.token_hex(3)}"
    with route("198.18.0.0/24"), ExitStack() as stack:
        run("docker", "network", "create", "--subnet", "198.18.1.0/24", "-o", f"{BRIDGE_NAME}=taretest0", network)
        stack.callback(run, "docker", "network", "rm", network)
        run("ip", "link", "del", "taretest0")
        with bridged_lab("range") as lab:
            assert str(lab.network) == "198.18.2.0/24"


def test_a_bridge_name_that_is_in_use() -> None:
    """It is somebody's, and stays as it is."""
    lab = bridged_lab("busy")
    with link(lab.bridge) as index:
        with pytest.raises(DeployError, match=f"Bridge {lab.bridge} cannot be made: .*exists"), lab:
            pass
        assert index == Path(f"/sys/class/net/{lab.bridge}/ifindex").read_text()


def test_two_campaigns_at_once_and_ctrl_c_in_a_trial(image: str, tmp_path: Path) -> None:
    campaign = tmp_path / "campaign"
    # So long that the signals come while the second trial still runs, however slowly the host lists its traces.
    file = Day(("process", "container"), duration_s=10).write(tmp_path, image)
    with started(tmp_path / "first", "run", file, "--out", campaign) as running:
        running.until_printed("the instrument's own floor")
        for second in (("run", file, "--out", tmp_path / "second"), ("sweep",), ("run", "--resume", campaign)):
            ended = tare(tmp_path / "t", *second)
            assert ended.code == 3
            assert f"(pid {running.pid}" in ended.complaint[0]
        running.until_printed(r"^\[2/2\]")
        running.until(lambda: any(trace.startswith(("container ", "group ")) for trace in traces()))
        running.interrupt()
        running.interrupt()
        ended = running.end()
    assert ended.code == 130
    assert "Traceback" not in ended.err
    finished = valid(campaign)
    assert len(finished) == 1
    assert f"Report:   {campaign}/report.html" in ended.out

    assert tare(tmp_path / "t", "run", "--resume", campaign).code == 0
    assert len(valid(campaign)) == 2
    assert [record.trial for record in trials(campaign)].count(finished[0]) == 1


def test_docker_dies_in_the_middle(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Its container lives on without it: that is ended, bare processes are measured, and a resume does the rest."""
    campaign = tmp_path / "campaign"
    file = Day(("process", "container")).write(tmp_path, f"{IMAGE_ELSEWHERE}:1")
    planned = names(file)
    assert planned == ["b1-01-container", "b1-02-process"]
    with own_docker(tmp_path_factory.mktemp("docker")) as engine:
        with closing(docker.DockerClient(base_url=engine.url)) as client:
            import_image(client, IMAGE_ELSEWHERE, FILES)
        elsewhere = {"DOCKER_HOST": engine.url}
        with started(tmp_path / "t", "run", file, "--out", campaign, env=elsewhere) as running:
            running.until(lambda: engine.running() != [])
            engine.kill()
            ended = running.end()
        assert ended.code == 1
        assert engine.orphans() == []
        assert valid(campaign) == ["b1-02-process"]
        failed = [record.failure for record in trials(campaign) if record.failure is not None]
        assert len(failed) == 3
        told = "The engine does not answer: the processes of container tare-"
        assert any(failure.what.startswith(told) for failure in failed)
        assert told in (campaign / "report.html").read_text("utf-8")

        engine.start()
        ended = tare(tmp_path / "t", "run", "--resume", campaign, env=elsewhere)
        assert ended.code == 0, ended
        for kind in ("container", "Docker network"):
            assert ended.out.count(f"removing what a killed run left: {kind} tare-") == 1
        assert sorted(valid(campaign)) == planned


@contextmanager
def route(network: str) -> Iterator[None]:
    """Somebody else's route to it."""
    run("ip", "route", "add", "blackhole", network)
    try:
        yield
    finally:
        run("ip", "route", "del", "blackhole", network)


@contextmanager
def link(name: str) -> Iterator[str]:
    """Somebody else's link of that name, and its index."""
    run("ip", "link", "add", name, "type", "bridge")
    try:
        yield Path(f"/sys/class/net/{name}/ifindex").read_text()
    finally:
        run("ip", "link", "del", name)


@contextmanager
def tmpfs(at: Path, size: str) -> Iterator[Path]:
    """A disk of that size."""
    at.mkdir()
    run("mount", "-t", "tmpfs", "-o", f"size={size}", "tare-test", str(at))
    try:
        yield at
    finally:
        run("umount", str(at))


def run(*words: str) -> None:
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def names(file: Path) -> list[str]:
    """The trials that are planned, in their order."""
    return [trial.name for trial in plan(read_experiment(file)).trials]


def valid(campaign: Path) -> list[str]:
    """The trials that are done."""
    return [record.trial for record in trials(campaign) if record.valid]
