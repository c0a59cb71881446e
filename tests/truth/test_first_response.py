"""A service that knows when it began to listen and when it had answered, against what the prober says.

The service writes both moments of CLOCK_MONOTONIC, one clock for all processes of the host, also those in a container.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from harness.clock import NS_PER_MS
from harness.spec.service import Readiness
from harness.targets.api import Instance
from harness.targets.registry import make
from tests.support import hello
from tests.support.deploy import bridged_lab, deployed
from tests.support.truth import Truth
from tests.support.until import until
from tests.truth.conftest import Weigh

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

SERVICE = """
import socket, time
now_ns = lambda: time.clock_gettime_ns(time.CLOCK_MONOTONIC)
time.sleep(0.05)
server = socket.create_server(("0.0.0.0", 8000), backlog=64)
listening_ns = now_ns()
while True:
    client, _ = server.accept()
    with client:
        if not client.recv(65536):
            continue
        client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\n\\r\\ntruth")
        served_ns = now_ns()
    print(f"listening at {listening_ns}, had answered at {served_ns}", flush=True)
"""
TOLD = re.compile(r"listening at (\d+), had answered at (\d+)")


def what_it_told(instance: Instance) -> tuple[int, int]:
    """When it listened and when it had answered. An engine keeps a line some time after it was written."""
    until(lambda: TOLD.search(instance.logs()))
    told = TOLD.search(instance.logs())
    assert told
    return int(told[1]), int(told[2])


@pytest.mark.parametrize("name", ["process", "container"])
def test_the_first_response_is_when_the_service_says_it_was(name: str, weigh: Weigh, tmp_path: Path) -> None:
    """The prober asks every millisecond, and it and the service stamp the same answer, each at its own end.

    Either may have to wait for its turn on a CPU: a millisecond more, for each.
    """
    artifact, target = hello.build(), make(name)
    target.prepare(artifact)
    plain = hello.service(artifact, "/usr/bin/python3", "-u", "-c", SERVICE)
    service = replace(plain, ready=Readiness(body="truth"))
    numbers = count()

    def once() -> tuple[float, float]:
        scratch = tmp_path / str(next(numbers))
        scratch.mkdir()
        with bridged_lab("truth") as lab, deployed(target, service, lab, scratch) as made:
            listening_ns, answered_ns = what_it_told(made.instance)
        assert made.watch.trigger_ns < listening_ns < made.result.listening_ns
        first_ns = made.result.first_response_ns
        return (first_ns - listening_ns) / NS_PER_MS, (first_ns - answered_ns) / NS_PER_MS

    truths = (
        Truth(f"{name}: first response after the service listened", "ms", 0, 3, within=1),
        Truth(f"{name}: first response after the service had answered", "ms", -1, 1, within=0.5),
    )
    weigh(truths, once, budget_s=60)
