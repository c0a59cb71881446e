"""The hello workload on a target, in a region of a lab."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.lab.api import LabAddress
from harness.lab.regional import RegionalLab
from harness.spec.topology import SERVICE
from harness.targets.api import Instance, Target
from tests.support import hello
from tests.support.launch import launch
from tests.support.netns_sockets import connect_ms
from tests.support.until import until

PORT = hello.WORKLOAD.members[SERVICE].port


@contextmanager
def running(target: Target, lab: RegionalLab, region: str, scratch: Path) -> Iterator[Instance]:
    """The hello workload in a region, once its own region's client can connect."""
    artifact = hello.build()
    target.prepare(artifact)
    scratch.mkdir()
    at = lab.address(f"svc-{region}", region=region)
    with launch(target, hello.service(artifact), at, scratch) as instance:
        until(lambda: accepts(at), timeout_s=90)
        yield instance


def accepts(at: LabAddress) -> bool:
    """Whether its own region's client can connect."""
    assert at.client is not None
    try:
        connect_ms(at.client, str(at.ip), PORT)
    except OSError:
        return False
    return True


def inside(instance: Instance) -> str:
    """The network namespace of an instance."""
    return f"/proc/{instance.processes()[0].pid}/ns/net"
