"""Which engines answer, asked of the engine itself: a client program on the PATH says nothing about it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path

ENGINE_LIMIT_S = 2


@dataclass(frozen=True, slots=True)
class EngineFact:
    """An engine's version, or None and the ``reason`` why it does not answer. ``parts``: its components' versions."""

    version: str | None
    reason: str = ""
    parts: dict[str, str] = field(default_factory=dict)
    installed: bool = True
    """Whether the library that asks the engine is installed."""


def docker_engine() -> EngineFact:
    """The Docker Engine of this machine. Never raises."""
    # Inside, so that analysis and reports need no engine's library.
    import docker
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    host = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    if not host.startswith("unix://"):
        return EngineFact(None, f"DOCKER_HOST={host} is another machine's engine; only this machine's can be measured")
    # The library leaks its socket where nobody listens.
    if problem := socket_problem(Path(host.removeprefix("unix://"))):
        return EngineFact(None, problem)
    try:
        client = docker.from_env(timeout=ENGINE_LIMIT_S)
        try:
            answer = client.version()
        finally:
            client.close()
    except (DockerException, RequestException, OSError) as error:
        return EngineFact(None, _first_line(error))
    names = {"containerd", "runc"}
    parts = {part["Name"]: part["Version"] for part in answer.get("Components", ()) if part.get("Name") in names}
    return EngineFact(str(answer["Version"]), parts=parts)


def libvirt_engine() -> EngineFact:
    """The system's libvirt with its QEMU driver. Never raises, and gives up after ``ENGINE_LIMIT_S``."""
    try:
        import libvirt
    except ImportError:
        return EngineFact(None, "the Python package libvirt-python is not installed", installed=False)
    answer: list[EngineFact] = []

    def ask() -> None:
        # Its own handler would print every error on standard error.
        libvirt.registerErrorHandler(lambda _context, _error: None, None)
        try:
            connection = libvirt.openReadOnly("qemu:///system")
            try:
                # Not getVersion(): it makes libvirt probe QEMU anew where KVM is broken, which takes seconds.
                answer.append(EngineFact(_dotted(connection.getLibVersion())))
            finally:
                connection.close()
        except libvirt.libvirtError as error:
            answer.append(EngineFact(None, _first_line(error)))

    # The library has no time limit of its own.
    asking = threading.Thread(target=ask, daemon=True, name="ask-libvirt")
    asking.start()
    asking.join(ENGINE_LIMIT_S)
    return answer[0] if answer else EngineFact(None, f"libvirtd does not answer within {ENGINE_LIMIT_S:g} s")


def libvirt_answers(socket_path: Path) -> bool:
    """Whether libvirtd answers; without its Python package, whether it listens at its socket."""
    found = libvirt_engine()
    return found.version is not None or (not found.installed and socket_problem(socket_path) is None)


def socket_problem(path: Path) -> str | None:
    """Why a connection to a Unix socket fails, or None if somebody listens there."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(ENGINE_LIMIT_S)
        try:
            client.connect(str(path))
        except PermissionError:
            return f"this user may not use {path}"
        except OSError as error:
            return f"nobody listens at {path}: {error.strerror or error}"
    return None


def qemu_version(program: str | None) -> str | None:
    """What the emulator program says of itself. Never raises."""
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=ENGINE_LIMIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"version (\S+)", done.stdout)
    return match[1] if match else None


def _dotted(number: int) -> str:
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
