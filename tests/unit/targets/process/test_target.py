"""Target ``process`` as it is without root: the app tree on this interpreter, over loopback."""

from __future__ import annotations

import os
import signal
import socket
import sys
import urllib.request
from contextlib import suppress
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from harness.artifacts.api import Artifact, ImageConfig
from harness.artifacts.digest import tree_digest
from harness.clock import Stopwatch, now_ns
from harness.errors import DeployError
from harness.lab.api import LabAddress
from harness.targets.api import Instance, Service
from harness.targets.process import target as process_target
from harness.targets.process.spawning import Spawner, session
from harness.targets.process.target import ProcessTarget
from tests.support.launch import launch
from tests.support.until import until
from tests.unit.targets.vm.vm_service import service

AT = LabAddress(prefix="tare-unit-svc", ip=IPv4Address("127.0.0.1"))


@pytest.fixture
def web(tmp_path: Path) -> Service:
    """Python's own file server over a small tree, told to listen everywhere."""
    folder = tmp_path / "cache" / "rootfs"
    folder.mkdir(parents=True)
    (folder / "index.html").write_text("hello\n")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    argv = (sys.executable, "-u", "-m", "http.server", "--bind", "0.0.0.0", str(port))
    artifact = Artifact("web", tree_digest(folder), folder.parent, ImageConfig(argv), "test", embedded=True)
    cpus = frozenset({max(os.sched_getaffinity(0))})
    return replace(service(), artifact=artifact, argv=argv, workdir=str(folder), port=port, cpuset=cpus)


def body(port: int) -> bytes:
    """What it answers once it listens."""

    def asked() -> bytes:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as response:
            return bytes(response.read())
        return b""

    return until(asked)


def wait_until_ended(instance: Instance) -> None:
    until(lambda: not instance.alive())


def test_it_lives_answers_on_loopback_alone_and_ends(web: Service, tmp_path: Path) -> None:
    target, watch = ProcessTarget(), Stopwatch()
    target.prepare(web.artifact)
    with launch(target, web, AT, tmp_path, watch) as instance:
        assert body(web.port) == b"hello\n"
        assert f"127.0.0.1 port {web.port}" in instance.logs()
        assert list(watch.phases()) == ["spawned"]
        assert watch.trigger_ns < now_ns()
        assert instance.alive()
        assert not instance.limits_enforced
        assert instance.cgroup is None
        assert instance.guest_memory() is None
        (process,) = instance.processes()
        assert process.role == "app"
        assert process.name.startswith("python")
        assert os.sched_getaffinity(process.pid) == web.cpuset
        assert instance.content_digest() == web.artifact.digest
    assert not instance.alive()
    assert instance.processes() == []
    assert session(process.pid) == []
    assert "GET / HTTP/1.1" in instance.logs()
    assert "ended" not in instance.logs(), "it was told to end"
    instance.stop()


@pytest.fixture
def spawners(monkeypatch: pytest.MonkeyPatch) -> list[Spawner]:
    """Those that the target makes, in order."""
    made: list[Spawner] = []

    def make(order: dict[str, Any]) -> Spawner:
        made.append(Spawner(order))
        return made[-1]

    monkeypatch.setattr(process_target, "Spawner", make)
    return made


def test_what_is_staged_and_never_started_is_a_parent_that_ends(
    web: Service, tmp_path: Path, spawners: list[Spawner]
) -> None:
    with ProcessTarget().stage(web, AT, tmp_path):
        assert Path(f"/proc/{spawners[0].pid}").exists()
        with pytest.raises(OSError, match="refused"):
            urllib.request.urlopen(f"http://127.0.0.1:{web.port}/", timeout=5)
    assert not Path(f"/proc/{spawners[0].pid}").exists()


def test_a_start_that_fails_tells_the_log_and_leaves_no_parent(
    web: Service, tmp_path: Path, spawners: list[Spawner]
) -> None:
    with ProcessTarget().stage(web, AT, tmp_path) as staged:
        (tmp_path / "service.log").write_text("what it says\n")
        os.kill(spawners[0].pid, signal.SIGKILL)
        with pytest.raises(DeployError, match="could not be started") as caught:
            staged.start(Stopwatch())
        assert caught.value.notes == ("what it says\n",)
        assert not Path(f"/proc/{spawners[0].pid}").exists()


def test_a_changed_tree_has_another_digest(web: Service, tmp_path: Path) -> None:
    with launch(ProcessTarget(), web, AT, tmp_path) as instance:
        (web.artifact.directory / "index.html").write_text("changed\n")
        assert instance.content_digest() != web.artifact.digest


def test_a_service_that_ends_says_how(web: Service, tmp_path: Path) -> None:
    failing = replace(web, argv=(sys.executable, "-c", "print('its last words', flush=True); raise SystemExit(3)"))
    with launch(ProcessTarget(), failing, AT, tmp_path) as instance:
        wait_until_ended(instance)
        assert instance.logs() == "its last words\n\n(the service ended with exit code 3)"
        assert instance.processes() == []


def test_its_footprint_is_the_trees(web: Service) -> None:
    assert ProcessTarget().footprint(web.artifact).total >= 4096


def test_it_dies_at_once_and_starts_again_in_its_place(web: Service, tmp_path: Path) -> None:
    with launch(ProcessTarget(), web, AT, tmp_path) as instance:
        assert body(web.port) == b"hello\n"
        (process,) = instance.processes()
        instance.kill()
        instance.kill()
        assert not instance.alive()
        assert session(process.pid) == []
        with pytest.raises(OSError, match="refused"):
            urllib.request.urlopen(f"http://127.0.0.1:{web.port}/", timeout=5)
        watch = Stopwatch()
        instance.restart(watch)
        assert list(watch.phases()) == ["spawned"]
        assert body(web.port) == b"hello\n"
        with pytest.raises(DeployError, match="still runs"):
            instance.restart(Stopwatch())
        assert instance.logs().count("Serving HTTP") == 2
    with pytest.raises(DeployError, match="stopped for good"):
        instance.restart(Stopwatch())


@pytest.mark.parametrize(
    ("program", "last"), [("signal.default_int_handler", "ended in order"), ("signal.SIG_IGN", "")]
)
def test_it_is_asked_to_end_before_it_is_killed(web: Service, tmp_path: Path, program: str, last: str) -> None:
    lines = (
        "import signal, time",
        f"signal.signal(signal.SIGTERM, {program})",
        # What says that it serves stands inside: it may be asked to end at once.
        "try: print('serving', flush=True); time.sleep(60)",
        "finally: print('ended in order', flush=True)",
    )
    patient = replace(web, argv=(sys.executable, "-c", "\n".join(lines)))
    with launch(ProcessTarget(), patient, AT, tmp_path) as instance:
        wait_until_serving(instance)
        instance.terminate(0.2)
        assert not instance.alive()
        assert instance.processes() == []
        assert ("ended in order" in instance.logs()) == bool(last)


def wait_until_serving(instance: Instance) -> None:
    until(lambda: "serving" in instance.logs())
