"""What cannot be reached from the client's namespace: a direct connection, a host that a proxy must refuse."""

from __future__ import annotations

import errno
import http.client
import socket
from collections.abc import Callable
from contextlib import closing
from typing import TypeVar

from harness.errors import LoadError
from harness.runtime.namespace import within

T = TypeVar("T")

CONNECTED = "connected"
_TIMEOUT_S = 2.0
_ANSWER_S = 10.0
_LIMIT_S = 20.0


def connect(ip: str, port: int, netns: str | None) -> str:
    """What one TCP connection comes to: ``connected``, ``timed out``, or the kernel's name for the refusal, such as
    ``EHOSTUNREACH``."""

    def attempt() -> str:
        try:
            socket.create_connection((ip, port), timeout=_TIMEOUT_S).close()
        except OSError as error:
            return _named(error)
        return CONNECTED

    return _from(netns, attempt)


def status_through(forward_proxy: tuple[str, int], host: tuple[str, int], netns: str | None) -> int:
    """The status that a forward proxy answers with to a GET of ``host``. Raises LoadError if it gives no answer."""

    def attempt() -> int | str:
        with closing(http.client.HTTPConnection(*forward_proxy, timeout=_ANSWER_S)) as connection:
            try:
                connection.request("GET", f"http://{host[0]}:{host[1]}/")
                return connection.getresponse().status
            except OSError as error:
                return _named(error)
            except http.client.HTTPException as error:
                return repr(error)

    answer = _from(netns, attempt)
    if not isinstance(answer, int):
        raise LoadError(
            f"The proxy at {forward_proxy[0]}:{forward_proxy[1]} gave no answer: {answer}.", "Look at its logs."
        )
    return answer


def _from(netns: str | None, attempt: Callable[[], T]) -> T:
    try:
        return within(netns, attempt, _LIMIT_S)
    except TimeoutError as error:
        raise LoadError(f"Asking took too long: {error}.", "Look at the logs of what listens there.") from error
    except OSError as error:
        raise LoadError(f"The client's namespace cannot be asked: {error}.", "tare doctor") from error


def _named(error: OSError) -> str:
    """The kernel's name for a refusal. ``RemoteDisconnected`` is an OSError without a number."""
    return "timed out" if isinstance(error, TimeoutError) else errno.errorcode.get(error.errno or 0, repr(error))
