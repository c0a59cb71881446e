"""The round-trip times that clients really have to hosts, by ICMP echoes of their own."""

from __future__ import annotations

import math
import os
import select
import socket
import statistics
import struct
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from pyroute2 import netns

from harness.clock import NS_PER_MS, NS_PER_S, now_ns
from harness.errors import DeployError
from harness.lab.refusals import told
from harness.store.cdn_records import RttRecord

_EVERY_NS = 10 * NS_PER_MS
_PATIENCE_NS = NS_PER_S
"""How long an answer is waited for beyond the round trip that was asked for."""

_REQUEST, _REPLY = 8, 0
_HEAD = struct.Struct("!BBHHH")
_BODY = struct.Struct("!HHQ")
"""Which path, which echo of it, when it was sent (ns); so an answer tells all that has to be known."""


@dataclass(frozen=True, slots=True)
class Path:
    """From a region's client to a host. ``asked_ms`` is what the round trip should be."""

    region: str
    host: str
    ip: IPv4Address
    asked_ms: float


@dataclass(slots=True)
class _Tries:
    path: Path
    rtts_ns: list[int] = field(default_factory=list)


def measure(clients: Mapping[str, str], paths: Sequence[Path], echoes: int) -> tuple[RttRecord, ...]:
    """``echoes`` echoes on every path, 10 ms apart, the paths in turn; in their order. ``clients``: region ▸ namespace.

    An echo that is not counted goes before them: it makes the hosts and bridges on the path known to each other.
    Percentiles are values that occurred. Raises DeployError where none of a path's echoes was answered.
    """
    tries = [_Tries(path) for path in paths]
    with ExitStack() as stack:
        sockets = {region: stack.enter_context(_socket_in(clients[region])) for region in {p.region for p in paths}}
        mark = int.from_bytes(os.urandom(2), "big")
        _round(sockets, tries, range(1), mark)
        _round(sockets, tries, range(1, echoes + 1), mark)
    return tuple(_record(each) for each in tries)


def _round(sockets: Mapping[str, socket.socket], tries: Sequence[_Tries], numbers: range, mark: int) -> None:
    """Send echoes of these numbers on every path and take in the answers, until all are there or it is too late."""
    begin_ns = now_ns()
    gap_ns = _EVERY_NS / max(1, len(tries))
    plan = [(number, index) for number in numbers for index in range(len(tries))]
    end_ns = begin_ns + round(len(plan) * gap_ns) + _PATIENCE_NS
    end_ns += round(max((each.path.asked_ms for each in tries), default=0) * NS_PER_MS)
    sent = answered = 0
    while answered < len(plan) and (now := now_ns()) < end_ns:
        due_ns = begin_ns + round(sent * gap_ns) if sent < len(plan) else end_ns
        # What has come is stamped before anything further is sent.
        for ready in select.select(list(sockets.values()), [], [], max(0, due_ns - now) / NS_PER_S)[0]:
            for index, number, sent_ns, come_ns in _answers(ready, mark):
                if number in numbers and index < len(tries):
                    answered += 1
                    if number:
                        tries[index].rtts_ns.append(come_ns - sent_ns)
        if sent < len(plan) and due_ns <= now_ns():
            number, index = plan[sent]
            _send(sockets[tries[index].path.region], tries[index].path, _BODY.pack(index, number, now_ns()), mark)
            sent += 1


def _send(sender: socket.socket, path: Path, body: bytes, mark: int) -> None:
    with told(f"The client of region {path.region} cannot reach {path.host} at {path.ip}"):
        packet = _HEAD.pack(_REQUEST, 0, 0, mark, 0) + body
        sender.sendto(_HEAD.pack(_REQUEST, 0, checksum(packet), mark, 0) + body, (str(path.ip), 0))


def _answers(receiver: socket.socket, mark: int) -> Iterator[tuple[int, int, int, int]]:
    while True:
        try:
            packet = receiver.recv(2048)
        except BlockingIOError:
            return
        come_ns = now_ns()
        answer = packet[(packet[0] & 15) * 4 :]
        if len(answer) == _HEAD.size + _BODY.size:
            kind, _, _, whose, _ = _HEAD.unpack_from(answer)
            if kind == _REPLY and whose == mark:
                yield (*_BODY.unpack_from(answer, _HEAD.size), come_ns)


def _record(tries: _Tries) -> RttRecord:
    path, ordered = tries.path, sorted(tries.rtts_ns)
    if not ordered:
        raise DeployError(
            f"The client of region {path.region} gets no answer from {path.host} at {path.ip}.",
            "Look at that instance's logs.",
        )
    return RttRecord(
        region=path.region,
        host=path.host,
        asked_ms=path.asked_ms,
        median_ms=statistics.median_low(ordered) / NS_PER_MS,
        p99_ms=ordered[math.ceil(0.99 * len(ordered)) - 1] / NS_PER_MS,
        echoes=len(ordered),
    )


def checksum(data: bytes) -> int:
    """The internet checksum (RFC 1071)."""
    padded = data + bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _socket_in(name: str) -> socket.socket:
    """A raw ICMP socket in a network namespace, not blocking. Raises DeployError."""

    def opened() -> socket.socket:
        netns.setns(name, flags=0)
        return socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_ICMP)

    # Only the thread that asks enters the namespace, and it ends here; the socket stays in it.
    with told(f"Namespace {name} cannot be measured from"), ThreadPoolExecutor(1) as thread:
        return thread.submit(opened).result()
