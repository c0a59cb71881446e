"""Engine daemons on a host without systemd: started detached, waited for, and stopped again only if they are ours."""

from __future__ import annotations

import json
import os
import select
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.clock import NS_PER_S, now_ns
from harness.errors import DeployError, Unavailable
from harness.host.paths import run_dir
from harness.host.processes import MARK, start_time
from harness.host.provisioning.engines import docker_engine, libvirt_answers, socket_problem

START_LIMIT_S = 60.0
STOP_LIMIT_S = 30.0
_POLL_MS = 100
_LOG_LINES = 20


@dataclass(frozen=True, slots=True)
class Daemon:
    """An engine daemon. ``ready`` asks the daemon itself, quickly; the command stays in the foreground."""

    name: str
    command: tuple[str, ...]
    ready: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Started:
    """A daemon that we started; with its start time the pid names one process for ever."""

    name: str
    pid: int
    since: int
    order: int


DOCKER = Daemon("dockerd", ("dockerd",), lambda: docker_engine().version is not None)
VIRTLOGD = Daemon("virtlogd", ("virtlogd",), lambda: socket_problem(Path("/run/libvirt/virtlogd-sock")) is None)
LIBVIRTD = Daemon("libvirtd", ("libvirtd",), lambda: libvirt_answers(Path("/run/libvirt/libvirt-sock")))


def records_dir() -> Path:
    """Where it is written down what we started."""
    folder = run_dir() / "engines"
    folder.mkdir(exist_ok=True)
    return folder


def start(daemon: Daemon, records: Path | None = None, limit_s: float = START_LIMIT_S) -> None:
    """Start it, unless it answers already, and return when it answers. It outlives us.

    One that somebody else is starting is waited for. Raises Unavailable, with its log's last lines as a note, if it
    ends or does not answer within ``limit_s``; what we started is not left running then.
    """
    if daemon.ready():
        return
    if others := _running(daemon.name):
        _await_ready(daemon, others[0], limit_s)
        return
    records = records or records_dir()
    log = records / f"{daemon.name}.log"
    pid = _spawn(daemon.command, log)
    started = Started(daemon.name, pid, start_time(pid), now_ns())
    record = records / f"{daemon.name}.json"
    record.write_text(json.dumps(asdict(started)), "utf-8")
    try:
        _await_ready(daemon, pid, limit_s)
    except Unavailable as error:
        error.add_note("\n".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES:]))
        stop(started)
        record.unlink(missing_ok=True)
        raise


def stop_all(records: Path | None = None) -> list[str]:
    """Stop every daemon that we started, the last one first, and return their names. Others are never touched."""
    folder = records or records_dir()
    started = sorted((_load(file) for file in folder.glob("*.json")), key=lambda each: each.order, reverse=True)
    stopped = []
    for each in started:
        if stop(each):
            stopped.append(each.name)
        (folder / f"{each.name}.json").unlink(missing_ok=True)
    return stopped


def stop(started: Started, limit_s: float = STOP_LIMIT_S) -> bool:
    """SIGTERM and wait; whether it was still running. Raises DeployError if it does not end within ``limit_s``."""
    with _handle(started.pid) as fd:
        if fd is None or not _is_same(started):
            return False
        signal.pidfd_send_signal(fd, signal.SIGTERM)
        if not _ended(fd, int(limit_s * 1000)):
            raise DeployError(f"{started.name} (pid {started.pid}) does not stop", f"kill -9 {started.pid}")
    if started.pid in _CHILDREN:
        os.waitpid(started.pid, 0)
        _CHILDREN.discard(started.pid)
    return True


_CHILDREN: set[int] = set()
"""Daemons that this very process started, to be waited for when they are stopped."""


def _spawn(command: Sequence[str], log: Path) -> int:
    # A daemon must not carry a campaign's mark, or tare sweep would take it for a leftover.
    environment = {key: value for key, value in os.environ.items() if key != MARK}
    environment["PATH"] = os.pathsep.join(
        (environment.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin")
    )
    output = (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    pid = os.posix_spawn(
        "/bin/sh",
        ["sh", "-c", 'cd / && exec "$@"', "sh", *command],
        environment,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            output,
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigdef=[signal.SIGINT, signal.SIGPIPE],
    )
    _CHILDREN.add(pid)
    return pid


def _running(name: str, proc: Path = Path("/proc")) -> list[int]:
    found = []
    for entry in proc.iterdir():
        try:
            if entry.name.isdigit() and (entry / "comm").read_text().strip() == name[:15]:
                found.append(int(entry.name))
        except OSError:
            continue  # it ended meanwhile
    return found


def _await_ready(daemon: Daemon, pid: int, limit_s: float) -> None:
    deadline_ns = now_ns() + int(limit_s * NS_PER_S)
    with _handle(pid) as fd:
        while not daemon.ready():
            if fd is None or _ended(fd, _POLL_MS):
                raise Unavailable(f"{daemon.name} ended as soon as it was started", f"run it to see why: {daemon.name}")
            if now_ns() > deadline_ns:
                what = f"{daemon.name} does not answer {limit_s:g} s after its start"
                raise Unavailable(what, f"run it to see why: {daemon.name}")


@contextmanager
def _handle(pid: int) -> Iterator[int | None]:
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        yield None
        return
    try:
        yield fd
    finally:
        os.close(fd)


def _ended(fd: int, limit_ms: int) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(limit_ms))


def _is_same(started: Started) -> bool:
    try:
        return start_time(started.pid) == started.since
    except OSError:
        return False


def _load(file: Path) -> Started:
    return Started(**json.loads(file.read_text("utf-8")))
