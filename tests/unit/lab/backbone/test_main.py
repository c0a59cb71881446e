"""The backbone's own process, with sockets for TAP devices: they keep frames apart as well."""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from harness.clock import NS_PER_MS, now_ns
from tests.support.frames import frame
from tests.support.until import until

ROOT = Path(__file__).parents[4]
HERE, THERE = "198.18.0.10", "198.18.1.10"
DELAY_MS = 20


class Running:
    """The process, and the outer ends of its devices."""

    def __init__(self, stack: ExitStack) -> None:
        pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(2)]
        self.outer = [stack.enter_context(outer) for outer, _ in pairs]
        inner = [stack.enter_context(inner) for _, inner in pairs]
        for each in (*self.outer, *inner):
            each.setblocking(False)
        start = "import sys; sys.path.append(sys.argv[1]); from harness.lab.backbone.main import main; main()"
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", start, str(ROOT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[each.fileno() for each in inner],
        )
        stack.enter_context(self.process)
        stack.callback(self.process.kill)
        orders = [
            {"fd": each.fileno(), "tap": "lo", "net": [198, 18, net], "rate_bps": None, "loss": 0.0,
             "delays_ns": [DELAY_MS * NS_PER_MS] * 2}
            for net, each in enumerate(inner)
        ]  # fmt: skip
        self.ready = self.asked(json.dumps(orders))

    def asked(self, line: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer


@pytest.fixture
def backbone() -> Iterator[Running]:
    with ExitStack() as stack:
        yield Running(stack)


def received(end: socket.socket, limit_s: float = 5.0) -> bytes:
    assert select.select([end], [], [], limit_s)[0], "nothing came"
    return end.recv(2048)


def test_a_frame_crosses_after_its_delay(backbone: Running) -> None:
    data = frame(THERE, HERE, b"hello")
    begin_ns = now_ns()
    backbone.outer[0].send(data)
    assert received(backbone.outer[1]) == data
    assert (now_ns() - begin_ns) / NS_PER_MS >= DELAY_MS


def test_it_reports_when_asked_and_goes_on(backbone: Running) -> None:
    for count in (1, 2):
        backbone.outer[1].send(frame(HERE, THERE, b"x", 100))
        received(backbone.outer[0])
        report = backbone.asked("report")
        assert (report["packets"], report["bytes"], report["lost"]) == (count, 100 * count, 0)
        assert report["late_p99_ns"] > 0
        assert report["cpu_ns"] > 0


def test_it_ends_with_its_parent(backbone: Running) -> None:
    assert backbone.process.stdin is not None
    backbone.process.stdin.close()
    assert backbone.process.wait(5) == 0


def test_it_sleeps_while_nothing_is_under_way(backbone: Running) -> None:
    def waits() -> list[str]:
        """That it sleeps, and how often it has begun to."""
        lines = Path(f"/proc/{backbone.process.pid}/status").read_text().splitlines()
        return [line for line in lines if line.startswith(("State:", "voluntary_ctxt_switches:"))]

    backbone.asked("report")
    until(lambda: "sleeping" in waits()[0])
    before = waits()
    time.sleep(0.2)  # this long, doing nothing is what is looked at
    assert waits() == before


def test_frames_keep_their_order(backbone: Running) -> None:
    for number in range(100):
        backbone.outer[0].send(frame(THERE, HERE, number.to_bytes(4, "big")))
    assert [int.from_bytes(received(backbone.outer[1])[14:18], "big") for _ in range(100)] == list(range(100))
