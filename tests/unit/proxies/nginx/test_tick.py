"""What keeps nginx's cache manager awake, against a stand-in of that process."""

from __future__ import annotations

import os
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path

import pytest

TITLE = "nginx: cache manager process"
ASLEEP = "import time; time.sleep(60)"
AWAKE = "import time\nwhile True: time.sleep(0.001)"
TICK_MS = 2


class Answering(socketserver.StreamRequestHandler):
    """nginx, as far as a tick sees it."""

    def handle(self) -> None:
        with suppress(ConnectionError):
            while self.rfile.readline():
                while self.rfile.readline().strip():
                    pass
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


@pytest.fixture
def ticking(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The script at work; this process is its nginx."""
    path = tmp_path / "tick.sock"
    script = str(files("harness.proxies.nginx") / "tick.pl")
    with socketserver.ThreadingUnixStreamServer(str(path), Answering) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with subprocess.Popen(["perl", script, str(path), str(TICK_MS), str(os.getpid())]) as process:
            yield process
            process.kill()
        server.shutdown()
        thread.join()


@contextmanager
def manager(code: str, title: str = TITLE) -> Iterator[subprocess.Popen[bytes]]:
    """A child of this process under that title, which no shell or link has to know."""
    with subprocess.Popen([title, "-S", "-c", code], executable=sys.executable) as process:
        yield process
        process.kill()


def ended(process: subprocess.Popen[bytes], within_s: float) -> bool:
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        return False
    return True


def test_a_manager_that_comes_late_and_sleeps_is_ended(ticking: subprocess.Popen[bytes]) -> None:
    time.sleep(30 * TICK_MS / 1000)
    with manager(ASLEEP) as late:
        assert ended(late, 10)
    assert ticking.poll() is None


def test_its_successors_that_sleep_are_ended_as_well(ticking: subprocess.Popen[bytes]) -> None:
    for _ in range(3):
        with manager(ASLEEP) as one:
            assert ended(one, 10)
    assert ticking.poll() is None


@pytest.mark.usefixtures("ticking")
def test_one_that_falls_asleep_after_a_time_is_ended() -> None:
    with manager("import time\nfor _ in range(50): time.sleep(0.01)\ntime.sleep(60)") as one:
        assert not ended(one, 0.4)
        assert ended(one, 10)


@pytest.mark.usefixtures("ticking")
def test_one_that_is_awake_is_left_alone() -> None:
    with manager(AWAKE) as one:
        assert not ended(one, 1.5)


@pytest.mark.usefixtures("ticking")
def test_other_processes_are_left_alone() -> None:
    with manager(ASLEEP, "nginx: worker process") as worker, manager(ASLEEP) as one:
        assert ended(one, 10)
        assert worker.poll() is None


def test_it_ends_when_nginx_is_not_its_parent(tmp_path: Path) -> None:
    script = str(files("harness.proxies.nginx") / "tick.pl")
    subprocess.run(["perl", script, str(tmp_path / "none"), str(TICK_MS), "1"], check=True, timeout=10)
