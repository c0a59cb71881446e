"""What an engine that died leaves running of a container, found and ended by what the kernel shows: nobody is asked."""

from __future__ import annotations

import logging
from pathlib import Path

from harness.host.processes import end, start_time

log = logging.getLogger(__name__)


def processes_of(container: str, proc: Path = Path("/proc")) -> list[tuple[int, int]]:
    """(pid, start time) of the processes in a control group named for the container's id, and of its shim, the last."""
    inside, shims = [], []
    for entry in proc.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            born = int(entry.name), start_time(int(entry.name), proc)
            if container in (entry / "cgroup").read_text():
                inside.append(born)
            elif _is_shim((entry / "cmdline").read_bytes().split(b"\0"), container.encode()):
                shims.append(born)
        except OSError:
            continue  # it ended meanwhile
    return [*inside, *shims]


def end_processes_of(container: str) -> None:
    """Kill them, the shim last, and wait until they are gone."""
    log.info("the engine does not answer: ending the processes of container %s without it", container[:12])
    for pid, since in processes_of(container):
        end(pid, since)


def _is_shim(words: list[bytes], container: bytes) -> bool:
    return Path(words[0].decode("utf-8", "replace")).name.startswith("containerd-shim") and container in words
