from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from harness.errors import Unavailable
from harness.host.processes import MARK, start_time
from harness.host.provisioning import daemons
from harness.host.provisioning.daemons import Daemon, Started
from harness.host.provisioning.engines import socket_problem

LISTEN = """
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
print("listening", os.environ.get("TARE_RUN"), os.getcwd(), os.getsid(0) == os.getpid(), flush=True)
while True:
    s.accept()
"""


def listener(folder: Path) -> Daemon:
    path = folder / "socket"
    return Daemon("tare-test-listener", (sys.executable, "-c", LISTEN, str(path)), lambda: socket_problem(path) is None)


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "engines"
    folder.mkdir()
    yield folder
    daemons.stop_all(folder)


def test_a_daemon_runs_detached_until_it_is_stopped(
    records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MARK, "some campaign")
    daemon = listener(tmp_path)
    daemons.start(daemon, records, limit_s=20)
    assert daemon.ready()
    # No campaign's mark, no folder held, no terminal's signals.
    assert (records / f"{daemon.name}.log").read_text() == "listening None / True\n"
    pid = json.loads((records / f"{daemon.name}.json").read_text())["pid"]
    daemons.start(daemon, records)
    assert json.loads((records / f"{daemon.name}.json").read_text())["pid"] == pid
    assert daemons.stop_all(records) == [daemon.name]
    assert not Path(f"/proc/{pid}").exists()
    assert daemons.stop_all(records) == []


def test_a_daemon_that_ends_says_why(records: Path) -> None:
    daemon = Daemon("tare-test-broken", ("sh", "-c", "echo no such option >&2; exit 1"), lambda: False)
    with pytest.raises(Unavailable) as caught:
        daemons.start(daemon, records, limit_s=20)
    assert "ended as soon" in caught.value.what
    assert caught.value.notes == ("no such option",)
    assert list(records.glob("*.json")) == []


def test_a_daemon_that_never_answers_is_not_left_running(records: Path, tmp_path: Path) -> None:
    daemon = Daemon("tare-test-mute", ("sh", "-c", f"echo $$ > {tmp_path}/pid; exec sleep 60"), lambda: False)
    with pytest.raises(Unavailable, match="does not answer"):
        daemons.start(daemon, records, limit_s=0.5)
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()


def test_a_daemon_that_answers_already_is_not_started(records: Path) -> None:
    daemons.start(Daemon("tare-test-there", ("false",), lambda: True), records)
    assert list(records.iterdir()) == []


def test_a_pid_that_is_used_anew_is_spared(records: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        try:
            started = Started("old", stranger.pid, start_time(stranger.pid) - 1, 1)
            (records / "old.json").write_text(json.dumps(asdict(started)))
            assert daemons.stop_all(records) == []
            assert stranger.poll() is None
            assert list(records.iterdir()) == []
        finally:
            stranger.kill()


def test_the_last_one_started_stops_first(records: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for order, name in enumerate(("b", "c", "a")):
        (records / f"{name}.json").write_text(json.dumps(asdict(Started(name, os.getpid(), 0, order))))
    monkeypatch.setattr(daemons, "stop", lambda _started: True)
    assert daemons.stop_all(records) == ["a", "c", "b"]
