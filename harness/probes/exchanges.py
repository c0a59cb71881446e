"""The workload's fixed exchanges: what each target answers to the same requests (claim *portability*).

They are sent from the client's namespace, each on a connection of its own.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import ssl
from collections.abc import Sequence
from contextlib import closing

from harness.errors import LoadError
from harness.runtime.namespace import within
from harness.spec.route import STRAIGHT, Route, Way, route_of

_TIMEOUT_S = 20


def ask(
    exchanges: Sequence[tuple[str, str, str]],
    routes: Sequence[Route],
    netns: str | None,
    way: Way = STRAIGHT,
) -> dict[str, tuple[int, str]]:
    """Send each (method, path, body) once. ``"METHOD path"`` to the status and the body's ``sha256:<hex>``.

    The longest prefix among ``routes`` says where. Raises LoadError if one of them gets no answer.
    """
    answers = _ask(exchanges, routes, netns, way) if exchanges else {}
    return {key: (status, digest) for key, (status, digest, _) in answers.items()}


def fetch(
    path: str,
    routes: Sequence[Route],
    netns: str | None,
    way: Way = STRAIGHT,
) -> object:
    """The JSON that a GET of ``path`` is answered with. Raises LoadError for no answer, another status, or no JSON."""
    answers = _ask([("GET", path, "")], routes, netns, way)
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
    way: Way,
) -> dict[str, tuple[int, str, str]]:
    """``"METHOD path"`` to status, digest and text of the body, which is empty if it is no text."""
    try:
        asked = [(exchange, route_of(exchange[1], routes)) for exchange in exchanges]
    except ValueError as error:
        raise LoadError(f"One of the workload's exchanges cannot be asked: {error}.", "Correct its path.") from None
    context = None if way.tls_ca is None else _context(way.tls_ca)

    def send() -> dict[str, tuple[int, str, str]]:
        return {
            f"{method} {path}": _answer((method, path, body), route, context, way.forward_proxy)
            for (method, path, body), route in asked
        }

    limit_s = _TIMEOUT_S * (len(exchanges) + 1)
    remedy = "Look at the instance's logs."
    try:
        return within(netns, send, limit_s)
    except TimeoutError as error:
        raise LoadError(f"The workload's exchanges were not answered in time: {error}.", remedy) from error
    except (OSError, http.client.HTTPException) as error:
        # What a service answers instead of HTTP may have line ends of its own.
        why = " ".join(f"{type(error).__name__}: {error}".split())
        what = f"One of the workload's exchanges got no answer: {why}."
        raise LoadError(what, remedy) from error


def _answer(
    exchange: tuple[str, str, str], route: Route, context: ssl.SSLContext | None, forward_proxy: tuple[str, int] | None
) -> tuple[int, str, str]:
    method, path, body = exchange
    ip, port = forward_proxy or (route.ip, route.port)
    connection = (
        http.client.HTTPConnection(ip, port, timeout=_TIMEOUT_S)
        if context is None
        else http.client.HTTPSConnection(ip, port, timeout=_TIMEOUT_S, context=context)
    )
    with closing(connection):
        asked = f"http://{route.ip}:{route.port}{path}" if forward_proxy else path
        headers = {"Host": f"{route.ip}:{route.port}"} | ({"Content-Type": "application/json"} if body else {})
        connection.request(method, asked, body.encode() or None, headers)
        response = connection.getresponse()
        content = response.read()
        return response.status, f"sha256:{hashlib.sha256(content).hexdigest()}", _text(content)


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return ""


def _context(tls_ca: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(tls_ca)
    return context
