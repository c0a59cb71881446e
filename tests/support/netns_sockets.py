"""Sockets of hosts in network namespaces, used from here."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor

from pyroute2 import netns

from harness.clock import NS_PER_MS, now_ns


def socket_in(namespace: str, kind: int = socket.SOCK_STREAM) -> socket.socket:
    """A socket of a namespace, by its name or its path. Only a thread that ends here has ever been in it."""

    def opened() -> socket.socket:
        netns.setns(namespace, flags=0)
        return socket.socket(socket.AF_INET, kind)

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(opened).result()


def connect_ms(namespace: str, ip: str, port: int, limit_s: float = 5.0) -> float:
    """How long a TCP connect takes. Raises what it raises."""
    with socket_in(namespace) as made:
        made.settimeout(limit_s)
        begin_ns = now_ns()
        made.connect((ip, port))
        return (now_ns() - begin_ns) / NS_PER_MS
