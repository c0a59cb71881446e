"""A transfer by TCP between regions, and how many round trips it must take."""

from __future__ import annotations

import math
import secrets
import socket
import struct
import threading
from dataclasses import dataclass

from harness.clock import now_ns
from harness.records.network import BackboneRecord
from tests.support.netns_sockets import socket_in
from tests.support.regions import NEAR, lab_with_host, listening

MSS = 1448
"""1,500 bytes less the headers of IP and TCP, with TCP's time stamps."""

INITIAL_WINDOW = 10
"""Segments, RFC 6928."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """``took_ns``: from the connect to the last byte. ``sent_again``: segments, as the sender's kernel says."""

    data: bytes
    got: bytes
    took_ns: int
    mss: int
    sent_again: int
    backbone: BackboneRecord


def round_trips(size: int) -> int:
    """How many a transfer of ``size`` bytes takes from the connect to its last byte, by slow start alone.

    One for the handshake, then one for each window: the initial one, and each twice the one before, since every
    segment that is acknowledged opens the window by one.
    """
    left, window, count = math.ceil(size / MSS), INITIAL_WINDOW, 1
    while left > 0:
        left, window, count = left - window, window * 2, count + 1
    return count


def transfer(size: int) -> Transfer:
    """From the far host to the near client, in a lab of its own.

    By Reno, whose slow start is the plain one: CUBIC's may end early (HyStart), and BBR paces by its own model. The
    receiver's buffer is large from the start, so its window never limits, and the connection is new, so no idle time
    resets the sender's.
    """
    data = secrets.token_bytes(size)
    sent: list[int] = []

    def serve(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1)  # the end of the other's: all of ours has arrived
            info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
            sent.extend(struct.unpack_from("I", info, offset)[0] for offset in (16, 100))

    with lab_with_host() as (lab, at, home), listening(home, at) as server, socket_in(lab.clients[NEAR]) as client:
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        client.settimeout(30)
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        begin_ns = now_ns()
        client.connect(server.getsockname())
        got = bytearray()
        while chunk := client.recv(1 << 20):
            got += chunk
            end_ns = now_ns()
        client.close()
        thread.join(30)
        core = lab.backbone.report()
    mss, again = sent
    return Transfer(data, bytes(got), end_ns - begin_ns, mss, again, core)
