"""A poll loop as one writes it by hand: ``python poll.py IP PORT PATH``. Nothing of it is the harness's.

Prints ``ready``, waits for a line, then asks with a new connection each time, at most 1 ms apart, until it gets a whole
response with status 200. Prints that moment in nanoseconds of CLOCK_MONOTONIC.
"""

from __future__ import annotations

import socket
import sys
import time


def ask(ip: str, port: int, path: str) -> bool:
    """One attempt: whether a whole response with status 200 came."""
    with socket.socket() as connection:
        # On the lab's bridge a connection takes 0.1 ms, if there is anybody to connect to.
        connection.settimeout(0.001)
        connection.connect((ip, port))
        connection.settimeout(1)
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {ip}\r\nConnection: close\r\n\r\n".encode())
        response = b""
        while chunk := connection.recv(65536):
            response += chunk
        return response.startswith(b"HTTP/1.1 200 ")


def main(ip: str, port: str, path: str) -> None:
    print("ready", flush=True)
    sys.stdin.readline()
    while True:
        begun = time.monotonic()
        try:
            if ask(ip, int(port), path):
                break
        except OSError:
            time.sleep(max(0.0, begun + 0.0008 - time.monotonic()))
    print(time.clock_gettime_ns(time.CLOCK_MONOTONIC), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
