"""What a run makes on a host, as the host's own tools list it, without the code that removes it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil

_LINK = re.compile(r"^\d+: (tare[^@:]+)", re.MULTILINE)
_OURS = (
    b"harness.targets.process.spawner",
    b"probes/prober.py",
    b"harness.load.calibration.null_service",
    b"locust",
    b"guest=tare-",
)


def traces() -> frozenset[str]:
    """Everything on this host that looks as if a run of Tare had made it, engines and packagings apart."""
    return frozenset(
        [
            *(f"container {name}" for name in _lines("docker", "ps", "-a", "--format", _CONTAINER, *_LABELLED)),
            *(f"container {name}" for name in _lines("docker", "ps", "-a", "--format", _CONTAINER, *_NAMED)),
            *(f"network {name}" for name in _lines("docker", "network", "ls", "--format", "{{.Name}}", *_LABELLED)),
            *(f"network {name}" for name in _lines("docker", "network", "ls", "--format", "{{.Name}}", *_NAMED)),
            *(f"domain {name}" for name in _lines("virsh", "list", "--all", "--name") if name.startswith("tare-")),
            *(f"link {name}" for name in _LINK.findall(_said("ip", "-o", "link"))),
            *(f"namespace {line.split()[0]}" for line in _lines("ip", "netns") if line.startswith("tare-")),
            *(f"mount {point}" for point in _mounts()),
            *(f"group {group}" for group in _lines("find", "/sys/fs/cgroup", "-path", "*/tare/*", "-type", "d")),
            *(f"rule {line}" for line in _lines("iptables", "-S") if re.search(r"\btare", line)),
            *(f"process {process}" for process in _processes()),
            *(f"folder {path}" for path in _folders()),
        ]
    )


_CONTAINER = "{{.Names}} {{.State}}"
_LABELLED = ("--filter", "label=tare")
_NAMED = ("--filter", "name=^tare-")


def _mounts() -> list[str]:
    points = (line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
    return [point for point in points if point.startswith("/run/tare/")]


def _processes() -> Iterator[str]:
    """Processes of a run: by its mark, by their root, by what they are. Not those that a test that runs now watches."""
    for process in psutil.process_iter():
        folder = Path("/proc", str(process.pid))
        try:
            command = (folder / "cmdline").read_bytes()
            ours = (
                b"TARE_RUN=" in (folder / "environ").read_bytes()
                or str((folder / "root").readlink()).startswith("/run/tare/")
                or any(word in command for word in _OURS)
            )
            if ours and not any("pytest" in " ".join(parent.cmdline()) for parent in process.parents()):
                yield f"{process.pid} {command.replace(bytes(1), b' ').decode('utf-8', 'replace')[:80]}"
        except (OSError, psutil.Error):
            continue  # it ended meanwhile, or is the kernel's


def _folders() -> list[str]:
    places = (Path("/run/tare"), Path(os.environ.get("TARE_CACHE", "/var/lib/tare"), "instances"))
    return [str(path) for place in places if place.exists() for path in place.glob("tare-*")]


def _lines(*command: str) -> list[str]:
    return [line for line in _said(*command).splitlines() if line]


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
