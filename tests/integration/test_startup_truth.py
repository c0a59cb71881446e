"""A service that knows when it began to listen and when it had answered, against what the prober says.

The service writes both moments of CLOCK_MONOTONIC, one clock for all processes of the host, also those in a container.
"""

from __future__ import annotations

import re
import statistics
import time
from dataclasses import replace
from pathlib import Path

import pytest

from harness.clock import NS_PER_MS, NS_PER_S, now_ns
from harness.spec.service import Readiness
from harness.targets.api import Instance
from harness.targets.registry import make
from tests.support import hello
from tests.support.deploy import bridged_lab, deployed

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

LAUNCHES = 5
LIMIT_MS = 2
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
    deadline_ns = now_ns() + 5 * NS_PER_S
    while (told := TOLD.search(instance.logs())) is None:
        assert now_ns() < deadline_ns
        time.sleep(0.01)
    return int(told[1]), int(told[2])


@pytest.mark.parametrize("name", ["process", "container"])
def test_the_first_response_is_when_the_service_says_it_was(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    artifact, target = hello.build(), make(name)
    target.prepare(artifact)
    plain = hello.service(artifact, "/usr/bin/python3", "-u", "-c", SERVICE)
    service = replace(plain, ready=Readiness(body="truth"))
    after_listening_ms, after_answering_ms = [], []
    for number in range(LAUNCHES):
        scratch = tmp_path / str(number)
        scratch.mkdir()
        with bridged_lab("truth") as lab, deployed(target, service, lab, scratch) as made:
            listening_ns, answered_ns = what_it_told(made.instance)
        assert made.watch.trigger_ns < listening_ns < made.result.listening_ns
        after_listening_ms.append((made.result.first_response_ns - listening_ns) / NS_PER_MS)
        after_answering_ms.append((made.result.first_response_ns - answered_ns) / NS_PER_MS)
    listening, answering = statistics.median(after_listening_ms), statistics.median(after_answering_ms)
    with capsys.disabled():
        print(
            f"\n{name}: first response {listening:+.3f} ms after it listened, {answering:+.3f} ms after it had answered"
        )
    assert 0 < listening < LIMIT_MS
    assert abs(answering) < LIMIT_MS
