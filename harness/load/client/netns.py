"""Sockets in another network namespace. A socket stays for ever where it was made, whoever uses it."""

from __future__ import annotations

import _socket
import ctypes
import os

from harness.errors import LoadError

_FOLDER = "/run/netns"
_CLONE_NEWNET = 0x40000000


class Namespace:
    """A network namespace to open sockets in. Raises LoadError for one that does not exist or may not be entered."""

    def __init__(self, name: str) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        try:
            self._own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            self._there = os.open(f"{_FOLDER}/{name}", os.O_RDONLY | os.O_CLOEXEC)
            self.socket().close()
        except OSError as error:
            raise LoadError(
                f"clients cannot stand in the namespace {name}: {error}", "run as root; see `tare doctor`"
            ) from error

    def socket(self) -> _socket.socket:
        """A TCP socket of that namespace. The calling thread is back in its own when this returns."""
        # Nothing between here and the way back may switch greenlets: the thread's namespace is everybody's.
        self._enter(self._there)
        try:
            return _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        finally:
            self._enter(self._own)

    def _enter(self, descriptor: int) -> None:
        if self._libc.setns(descriptor, _CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"setns: {os.strerror(number)}")
