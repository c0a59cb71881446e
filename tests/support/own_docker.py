"""A Docker Engine of the test's own, which it may kill without harm to the host's."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.targets.layers import unmount
from tests.support.until import until

_START_LIMIT_S = 60


class OwnDocker:
    """It has its own socket, store, runtime folder and, where one containerd serves the host, namespaces in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._daemon: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For DOCKER_HOST."""
        return f"unix://{self._folder}/docker.sock"

    def start(self) -> None:
        """Start it, again if it was killed, and return when it answers."""
        folder = self._folder
        (folder / "pid").unlink(missing_ok=True)
        command = [
            *("dockerd", "--host", self.url, "--pidfile", str(folder / "pid")),
            *("--data-root", str(folder / "data"), "--exec-root", str(folder / "exec")),
            *("--containerd-namespace", "tare-test", "--containerd-plugins-namespace", "tare-test-plugins"),
            *("--bridge", "none", "--iptables=false"),
        ]
        with (folder / "log").open("ab") as log:
            self._daemon = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        until(self._answers, _START_LIMIT_S, told=(folder / "log").read_text)

    def _answers(self) -> bool:
        assert self._daemon is not None
        assert self._daemon.poll() is None, (self._folder / "log").read_text()
        asked = subprocess.run(["docker", "-H", self.url, "info"], capture_output=True, check=False)
        return asked.returncode == 0

    def kill(self) -> None:
        """``kill -9``: its containers live on."""
        if self._daemon is not None:
            self._daemon.kill()
            self._daemon.wait()

    def running(self) -> list[str]:
        """The containers that run, by name."""
        done = subprocess.run(
            ["docker", "-H", self.url, "ps", "--format", "{{.Names}}"], capture_output=True, text=True, check=True
        )
        return done.stdout.split()

    def orphans(self) -> list[int]:
        """Its processes that are still there: shims, its containerd and what they carry, found by its folder's name."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and str(self._folder).encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue  # it ended meanwhile
        return [pid for pid in found if pid != os.getpid()]

    def remove(self) -> None:
        """Kill it with all that it left, and unmount what it mounted."""
        self.kill()
        for pid in self.orphans():
            os.kill(pid, signal.SIGKILL)
        unmount(self._folder)


@contextmanager
def own_docker(folder: Path) -> Iterator[OwnDocker]:
    """It answers as long as the context lasts."""
    engine = OwnDocker(folder)
    try:
        engine.start()
        yield engine
    finally:
        engine.remove()
