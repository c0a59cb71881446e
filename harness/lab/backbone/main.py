"""The backbone's own process: carries frames between the regions' TAP devices, each as late as the distance wants it.

It and what it imports use the standard library alone, so that it is up in some 30 ms. Its first line on standard input
is the order (JSON: a list of harness.lab.backbone.process.Uplink.order); each further line asks for its report, a line
of JSON; the input's end means that the parent is gone. It waits in ``select``, whose time-outs the kernel keeps by its
high-resolution timers (those of ``epoll`` and ``poll`` are whole milliseconds in Python).
"""

from __future__ import annotations

import gc
import json
import os
import random
import select
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from harness.clock import NS_PER_S, now_ns
from harness.lab.backbone.switch import LONGEST_FRAME, Line, Switch
from harness.lab.realtime import take_precedence

_AT_ONCE = 32
"""How many frames are read from one device, or put out in all, before the others have their turn."""

_TIMER_SLACK_NS = 1_000
"""By how much the kernel may wake this process later than asked; 50 us where nothing is said."""

_CONTROL = 0


def main() -> None:
    orders = json.loads(_line())
    # Nothing here makes circles, and a collection would delay every frame.
    gc.disable()
    Path("/proc/self/timerslack_ns").write_text(str(_TIMER_SLACK_NS))
    realtime = take_precedence()
    _say({"realtime": realtime})
    switch = made(orders, random.Random())
    run(switch, [order["fd"] for order in orders], lambda: _say(_report(switch, orders)))


def made(orders: Sequence[Mapping[str, Any]], draws: random.Random) -> Switch:
    """The switch between the devices of an order."""
    lines = [[Line(order["rate_bps"], order["loss"], draws.random) for order in orders] for _ in range(2)]
    return Switch(
        nets=[bytes(order["net"]) for order in orders],
        delays_ns=[order["delays_ns"] for order in orders],
        outward=lines[0],
        inward=lines[1],
        write=partial(_write, [order["fd"] for order in orders]),
        clock=now_ns,
    )


def run(switch: Switch, descriptors: Sequence[int], report: Callable[[], None], control: int = _CONTROL) -> None:
    """Carry frames until ``control`` ends; ``report`` is called for each line that comes in there."""
    port_of = {descriptor: port for port, descriptor in enumerate(descriptors)}
    watched = [*descriptors, control]
    while True:
        next_ns = switch.next_ns
        wait_s = None if next_ns is None else max(0, next_ns - now_ns()) / NS_PER_S
        for descriptor in select.select(watched, (), (), wait_s)[0]:
            if descriptor == control:
                asked = os.read(control, 4096)
                if not asked:
                    return
                for _ in range(asked.count(b"\n")):
                    report()
            else:
                _read(switch, descriptor, port_of[descriptor])
        switch.deliver(_AT_ONCE)


def _read(switch: Switch, descriptor: int, port: int) -> None:
    for _ in range(_AT_ONCE):
        try:
            frame = os.read(descriptor, LONGEST_FRAME + 1)
        except BlockingIOError:
            return
        switch.receive(port, frame, now_ns())


def _write(descriptors: Sequence[int], port: int, frame: bytes) -> bool:
    try:
        os.write(descriptors[port], frame)
    except OSError:
        return False
    return True


def _report(switch: Switch, orders: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """As harness.records.network.BackboneRecord has it. What the devices' own queues dropped counts as ours."""
    unread = sum(int(Path(f"/sys/class/net/{order['tap']}/statistics/tx_dropped").read_text()) for order in orders)
    return {
        "packets": switch.packets,
        "bytes": switch.bytes,
        "dropped": switch.dropped + unread,
        "lost": switch.lost,
        "late_p99_ns": switch.late_ns(0.99),
        "cpu_ns": time.process_time_ns(),
    }


def _line() -> bytes:
    text = b""
    while not text.endswith(b"\n"):
        if not (data := os.read(_CONTROL, 65536)):
            raise SystemExit("the order did not come")
        text += data
    return text


def _say(what: Mapping[str, object]) -> None:
    os.write(sys.stdout.fileno(), json.dumps(what).encode() + b"\n")


if __name__ == "__main__":
    main()
