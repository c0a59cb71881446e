"""What cannot be reached from the client's namespace: a direct connection, a host that a proxy must refuse.

``python -m harness.probes.reach`` is the child that tries: standard library only, JSON in, JSON out.
"""

from __future__ import annotations

import errno
import http.client
import json
import os
import socket
import subprocess
import sys

from harness.errors import LoadError

CONNECTED = "connected"
_TIMEOUT_S = 2.0
_LIMIT_S = 20


def connect(ip: str, port: int, netns: str | None) -> str:
    """What one TCP connection comes to: ``connected``, ``timed out``, or the kernel's name for the refusal, such as
    ``EHOSTUNREACH``."""
    return str(_try({"ip": ip, "port": port, "through": None}, netns))


def status_through(proxy: tuple[str, int], host: tuple[str, int], netns: str | None) -> int:
    """The status that a forward proxy answers with to a GET of ``host``. Raises LoadError if it gives no answer."""
    said = _try({"ip": proxy[0], "port": proxy[1], "through": f"http://{host[0]}:{host[1]}/"}, netns)
    if not isinstance(said, int):
        raise LoadError(f"The proxy at {proxy[0]}:{proxy[1]} gave no answer: {said}.", "Look at its logs.")
    return said


def _try(order: dict[str, object], netns: str | None) -> int | str:
    enter = ("nsenter", f"--net=/run/netns/{netns}") if netns else ()
    try:
        done = subprocess.run(
            [*enter, sys.executable, "-P", "-m", "harness.probes.reach"],
            input=json.dumps(order),
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
    except subprocess.TimeoutExpired as error:
        what = f"Asking {order['ip']}:{order['port']} took more than {_LIMIT_S} s."
        raise LoadError(what, "Look at the logs of what listens there.") from error
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise LoadError(f"The client's namespace cannot be asked: {last}.", "tare doctor")
    said: int | str = json.loads(done.stdout)
    return said


def _main() -> None:
    order = json.load(sys.stdin)
    try:
        if order["through"] is None:
            socket.create_connection((order["ip"], order["port"]), timeout=_TIMEOUT_S).close()
            said: int | str = CONNECTED
        else:
            connection = http.client.HTTPConnection(order["ip"], order["port"], timeout=_LIMIT_S / 2)
            connection.request("GET", order["through"])
            said = connection.getresponse().status
            connection.close()
    except TimeoutError:
        said = "timed out"
    except OSError as error:
        said = errno.errorcode.get(error.errno or 0, str(error))
    except http.client.HTTPException as error:
        said = repr(error)
    json.dump(said, sys.stdout)


if __name__ == "__main__":
    _main()
