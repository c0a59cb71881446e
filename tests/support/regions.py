"""Two regions a known way apart, with a host in the far one."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from harness.lab.api import LabAddress
from harness.lab.bridged import make_host
from harness.lab.regional import RegionalLab
from harness.spec.geography import Geography
from tests.support import hello
from tests.support.deploy import regional_lab
from tests.support.netns_sockets import socket_in

RTT_MS = 80.0
NEAR, FAR = "near", "far"
CORE_CPUS = hello.CPUS.service


def geography(rtt_ms: float = RTT_MS, **far: float) -> Geography:
    return Geography.model_validate(
        {"regions": {NEAR: {}, FAR: far}, "links": [{"between": (NEAR, FAR), "rtt_ms": rtt_ms}], "origin": FAR}
    )


@contextmanager
def lab_with_host(rtt_ms: float = RTT_MS, **far: float) -> Iterator[tuple[RegionalLab, LabAddress, str]]:
    """A lab of two regions, with a host in the far one: its address and its namespace."""
    with regional_lab("regions", geography(rtt_ms, **far), CORE_CPUS) as lab, ExitStack() as stack:
        at = lab.address("host", region=FAR)
        home = make_host(at, stack)
        assert home is not None
        yield lab, at, home


@contextmanager
def listening(home: str, at: LabAddress) -> Iterator[socket.socket]:
    with socket_in(home) as server:
        server.bind((str(at.ip), 0))
        server.listen(64)
        yield server
