"""The workload's fixed exchanges: what each target answers to the same requests (claim *portability*).

``python -m harness.probes.exchanges`` is the child that sends them from the client's namespace: standard library only,
JSON in, JSON out.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import subprocess
import sys
from collections.abc import Sequence

from harness.errors import LoadError

_TIMEOUT_S = 20


def ask(ip: str, port: int, exchanges: Sequence[tuple[str, str, str]], netns: str | None) -> dict[str, tuple[int, str]]:
    """Send each (method, path, body) once. ``"METHOD path"`` to the status and the body's ``sha256:<hex>``.

    Raises LoadError if one of them gets no answer.
    """
    if not exchanges:
        return {}
    enter = ("nsenter", f"--net=/run/netns/{netns}") if netns else ()
    order = json.dumps({"ip": ip, "port": port, "exchanges": list(exchanges)})
    limit = _TIMEOUT_S * (len(exchanges) + 1)
    try:
        done = subprocess.run(
            [*enter, sys.executable, "-P", "-m", "harness.probes.exchanges"],
            input=order,
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
    except subprocess.TimeoutExpired as error:
        what = f"The workload's exchanges took more than {limit} s."
        raise LoadError(what, "Look at the instance's logs.") from error
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise LoadError(f"One of the workload's exchanges got no answer: {last}.", "Look at the instance's logs.")
    return {key: (status, digest) for key, (status, digest) in json.loads(done.stdout).items()}


def _main() -> None:
    order = json.load(sys.stdin)
    answers = {}
    for method, path, body in order["exchanges"]:
        connection = http.client.HTTPConnection(order["ip"], order["port"], timeout=_TIMEOUT_S)
        connection.request(method, path, body.encode() or None, {"Content-Type": "application/json"} if body else {})
        response = connection.getresponse()
        digest = hashlib.sha256(response.read()).hexdigest()
        answers[f"{method} {path}"] = (response.status, f"sha256:{digest}")
        connection.close()
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    _main()
