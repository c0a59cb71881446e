"""A service for the tests of the vm target's pure parts."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from harness.artifacts.api import Artifact, ImageConfig, User
from harness.lab.api import LabAddress
from harness.spec.service import Limits, Readiness
from harness.targets.api import Service

AT = LabAddress(
    prefix="tare-c-1-svc",
    ip=IPv4Address("198.18.3.10"),
    mac="02:54:61:72:65:0a",
    network=IPv4Network("198.18.3.0/24"),
    gateway=IPv4Address("198.18.3.1"),
    bridge="tarex-br",
    interface="tarex-10",
)


def service(**changes: Any) -> Service:
    plain = Service(
        name="s",
        artifact=Artifact("s", "sha256:00", Path("/cache/s"), ImageConfig(("/bin/app",)), "test"),
        argv=("/bin/app",),
        env=(("PATH", "/usr/bin:/bin"), ("HOME", "/root")),
        workdir="/srv",
        user=User(),
        port=80,
        ready=Readiness(),
        limits=Limits(),
        cpuset=frozenset({1}),
    )
    return replace(plain, **changes)
