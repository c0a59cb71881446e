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
from dataclasses import dataclass
from ipaddress import IPv4Address

from harness.clock import NS_PER_MS, NS_PER_S, now_ns
from harness.errors import DeployError
from harness.lab import netlink
from harness.lab.kernel_errors import kernel_errors
from harness.lab.realtime import precedence
from harness.records.network import RttRecord

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


def measure(clients: Mapping[str, str], paths: Sequence[Path], echoes: int) -> tuple[RttRecord, ...]:
    """A record for each path, in their order, from ``round_trips``. Percentiles are values that occurred.

    Raises DeployError where none of a path's echoes was answered.
    """
    found = round_trips(clients, paths, echoes)
    return tuple(_record(path, sorted(rtts_ns)) for path, rtts_ns in zip(paths, found, strict=True))


def round_trips(clients: Mapping[str, str], paths: Sequence[Path], echoes: int) -> list[list[int]]:
    """The round trips on every path in ns, as they ended, of so many echoes, 10 ms apart; the paths take turns.

    ``clients``: region ▸ namespace. An echo that is not counted goes before: it makes the hosts and bridges on the path
    known to each other. What is not answered within 1 s beyond the time asked for is missing. Raises DeployError where
    an echo cannot be sent.
    """
    found: list[list[int]] = [[] for _ in paths]
    mark = int.from_bytes(os.urandom(2), "big")
    with ExitStack() as stack:
        sockets = {region: stack.enter_context(_socket_in(clients[region])) for region in {p.region for p in paths}}
        _exchange(sockets, paths, range(1), mark, found)
        for rtts_ns in found:
            rtts_ns.clear()
        # It is the way that is measured, not how long this process waits for its turn.
        with precedence():
            _exchange(sockets, paths, range(1, echoes + 1), mark, found)
    return found


def _exchange(
    sockets: Mapping[str, socket.socket], paths: Sequence[Path], numbers: range, mark: int, found: list[list[int]]
) -> None:
    """Send echoes of these numbers on every path and take in the answers, until all are there or it is too late."""
    begin_ns = now_ns()
    gap_ns = _EVERY_NS / max(1, len(paths))
    plan = [(number, index) for number in numbers for index in range(len(paths))]
    end_ns = begin_ns + round(len(plan) * gap_ns) + _PATIENCE_NS
    end_ns += round(max((path.asked_ms for path in paths), default=0) * NS_PER_MS)
    sent = answered = 0
    while answered < len(plan) and (now := now_ns()) < end_ns:
        due_ns = begin_ns + round(sent * gap_ns) if sent < len(plan) else end_ns
        # What has come is stamped before anything further is sent.
        for ready in select.select(list(sockets.values()), [], [], max(0, due_ns - now) / NS_PER_S)[0]:
            for index, number, sent_ns, come_ns in _answers(ready, mark):
                if number in numbers and index < len(paths):
                    answered += 1
                    found[index].append(come_ns - sent_ns)
        if sent < len(plan) and due_ns <= now_ns():
            number, index = plan[sent]
            path = paths[index]
            _send(sockets[path.region], path, _BODY.pack(index, number, now_ns()), mark)
            sent += 1


def _send(sender: socket.socket, path: Path, body: bytes, mark: int) -> None:
    with kernel_errors(f"The client of region {path.region} cannot reach {path.host} at {path.ip}"):
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


def _record(path: Path, ordered: Sequence[int]) -> RttRecord:
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
    total = sum(int.from_bytes(padded[at : at + 2], "big") for at in range(0, len(padded), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _socket_in(name: str) -> socket.socket:
    """A raw ICMP socket in a network namespace, not blocking. Raises DeployError."""

    def opened() -> socket.socket:
        netlink.enter(name)
        return socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_ICMP)

    # Only the thread that asks enters the namespace, and it ends here; the socket stays in it.
    with kernel_errors(f"Namespace {name} cannot be measured from"), ThreadPoolExecutor(1) as thread:
        return thread.submit(opened).result()
