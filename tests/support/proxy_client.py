"""A client of a proxy: ``python proxy_client.py``, an order as JSON in, the answers as JSON out. Standard library only.

``at``: ``ip:port`` to connect to. ``target``: the ``ip:port`` that an absolute-form request names, for a forward proxy.
Either ``requests`` one after another, or ``count`` GETs of ``path`` over ``connections`` at once.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import ssl
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

TIMEOUT_S = 20


def connect(order: dict[str, Any]) -> http.client.HTTPConnection:
    host, _, port = order["at"].partition(":")
    if order["ca"]:
        context = ssl.create_default_context(cafile=order["ca"])
        return http.client.HTTPSConnection(host, int(port), timeout=TIMEOUT_S, context=context)
    return http.client.HTTPConnection(host, int(port), timeout=TIMEOUT_S)


def ask(
    connection: http.client.HTTPConnection, order: dict[str, Any], method: str, path: str, body: str
) -> tuple[int, str, float]:
    place = f"http://{order['target']}{path}" if order["target"] else path
    headers = {"Host": order["target"]} if order["target"] else {}
    begun = time.monotonic()
    try:
        connection.request(method, place, body.encode() or None, headers)
        response = connection.getresponse()
        digest = hashlib.sha256(response.read()).hexdigest()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return 0, repr(error), time.monotonic() - begun
    return response.status, f"sha256:{digest}", time.monotonic() - begun


def one_after_another(order: dict[str, Any]) -> list[tuple[int, str, float]]:
    answers = []
    connection = connect(order)
    for method, path, body in order["requests"]:
        answers.append(ask(connection, order, method, path, body))
        if order["connection"] == "new":
            connection.close()
    connection.close()
    return answers


def at_once(order: dict[str, Any]) -> list[tuple[int, str, float]]:
    def share(count: int) -> list[tuple[int, str, float]]:
        connection = connect(order)
        answers = [ask(connection, order, "GET", order["path"], "") for _ in range(count)]
        connection.close()
        return answers

    crew = order["connections"]
    counts = [order["count"] // crew + (number < order["count"] % crew) for number in range(crew)]
    with ThreadPoolExecutor(crew) as pool:
        return [answer for answers in pool.map(share, counts) for answer in answers]


def main() -> None:
    order = json.load(sys.stdin)
    json.dump(one_after_another(order) if "requests" in order else at_once(order), sys.stdout)


if __name__ == "__main__":
    main()
