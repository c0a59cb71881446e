"""The workload's fixed exchanges: what each target answers to the same requests (claim *portability*).

``python -m harness.probes.exchanges`` is the child that sends them from the client's namespace: standard library only,
JSON in, JSON out.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import ssl
import subprocess
import sys
from collections.abc import Sequence

from harness.errors import LoadError
from harness.spec.route import Route, route_of

_TIMEOUT_S = 20


def ask(
    exchanges: Sequence[tuple[str, str, str]],
    routes: Sequence[Route],
    netns: str | None,
    *,
    tls_ca: str | None = None,
    proxy: tuple[str, int] | None = None,
) -> dict[str, tuple[int, str]]:
    """Send each (method, path, body) once. ``"METHOD path"`` to the status and the body's ``sha256:<hex>``.

    The longest prefix among ``routes`` says where; with ``tls_ca`` (a PEM file) over TLS, with ``proxy`` (IP address
    and port) through that forward proxy. Raises LoadError if one of them gets no answer.
    """
    answers = _ask(exchanges, routes, netns, tls_ca=tls_ca, proxy=proxy) if exchanges else {}
    return {key: (status, digest) for key, (status, digest, _) in answers.items()}


def fetch(
    path: str,
    routes: Sequence[Route],
    netns: str | None,
    *,
    tls_ca: str | None = None,
    proxy: tuple[str, int] | None = None,
) -> object:
    """The JSON that a GET of ``path`` is answered with. Raises LoadError for no answer, another status, or no JSON."""
    answers = _ask([("GET", path, "")], routes, netns, tls_ca=tls_ca, proxy=proxy)
    status, _, body = answers[f"GET {path}"]
    remedy = "Look at the instance's logs, and at the path in the workload's file."
    if status != 200:
        raise LoadError(f"GET {path} was answered with status {status}, expected 200.", remedy)
    try:
        found: object = json.loads(body)
    except ValueError as error:
        raise LoadError(f"GET {path} was not answered with JSON: {error}.", remedy) from error
    return found


def _ask(
    exchanges: Sequence[tuple[str, str, str]],
    routes: Sequence[Route],
    netns: str | None,
    *,
    tls_ca: str | None,
    proxy: tuple[str, int] | None,
) -> dict[str, tuple[int, str, str]]:
    """``"METHOD path"`` to status, digest and text of the body, which is empty if it is no text."""
    enter = ("nsenter", f"--net=/run/netns/{netns}") if netns else ()
    try:
        places = [route_of(path, routes) for _, path, _ in exchanges]
    except ValueError as error:
        raise LoadError(f"One of the workload's exchanges cannot be asked: {error}.", "Correct its path.") from None
    asked = [(*exchange, place.ip, place.port) for exchange, place in zip(exchanges, places, strict=True)]
    order = json.dumps({"exchanges": asked, "tls_ca": tls_ca, "proxy": proxy})
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
    return {key: (status, digest, text) for key, (status, digest, text) in json.loads(done.stdout).items()}


def _main() -> None:
    order = json.load(sys.stdin)
    context = _context(order["tls_ca"]) if order["tls_ca"] else None
    answers = {}
    for method, path, body, ip, port in order["exchanges"]:
        connect_ip, connect_port = order["proxy"] or (ip, port)
        connection = (
            http.client.HTTPConnection(connect_ip, connect_port, timeout=_TIMEOUT_S)
            if context is None
            else http.client.HTTPSConnection(connect_ip, connect_port, timeout=_TIMEOUT_S, context=context)
        )
        target = f"http://{ip}:{port}{path}" if order["proxy"] else path
        headers = {"Host": f"{ip}:{port}"} | ({"Content-Type": "application/json"} if body else {})
        connection.request(method, target, body.encode() or None, headers)
        response = connection.getresponse()
        content = response.read()
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        answers[f"{method} {path}"] = (response.status, digest, _text(content))
        connection.close()
    json.dump(answers, sys.stdout)


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return ""


def _context(tls_ca: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(tls_ca)
    return context


if __name__ == "__main__":
    _main()
