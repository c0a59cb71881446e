"""A client of a cache: ``python cache_client.py``. Standard library only.

Each line on standard input is an order in JSON; a line of JSON comes back: the list of answers, or why there is none.

``at``: ``ip:port``. ``requests``: [method, path, headers] of each; over ``connections`` at once, each its share in
order. ``parts``: for each answer whether all of it is wanted, or the outcome header alone (``brief``, its name).
"""

from __future__ import annotations

import base64
import http.client
import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

TIMEOUT_S = 60
KEPT_BYTES = 2_000_000


def ask(connection: http.client.HTTPConnection, method: str, path: str, headers: dict[str, str], brief: str) -> Any:
    """{status, headers, body}, or [status, header, size of the body]; status 0 for no answer, and why."""
    try:
        connection.request(method, path, None, headers)
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return [0, repr(error), 0] if brief else {"status": 0, "headers": {}, "body": "", "why": repr(error)}
    if brief:
        return [response.status, response.getheader(brief) or "", len(body)]
    told = {name.lower(): value for name, value in response.getheaders()}
    return {"status": response.status, "headers": told, "body": base64.b64encode(body[:KEPT_BYTES]).decode(), "why": ""}


def do(order: Any) -> list[Any]:
    """Make the order's requests, and give their answers in the same order."""
    requests, crew, brief = order["requests"], order["connections"], order.get("brief", "")
    host, _, port = order["at"].partition(":")
    answers: list[Any] = [None] * len(requests)
    together = threading.Barrier(crew, timeout=TIMEOUT_S)

    def share(number: int) -> None:
        connection = http.client.HTTPConnection(host, int(port), timeout=TIMEOUT_S)
        connection.connect()
        together.wait()
        for place in range(number, len(requests), crew):
            method, path, headers = requests[place]
            answers[place] = ask(connection, method, path, headers, brief)
        connection.close()

    with ThreadPoolExecutor(crew) as pool:
        for done in [pool.submit(share, number) for number in range(crew)]:
            done.result()
    return answers


def main() -> None:
    """Do what the orders on standard input say."""
    for line in sys.stdin:
        try:
            answers: list[Any] | str = do(json.loads(line))
        except (OSError, threading.BrokenBarrierError) as error:
            answers = repr(error)
        print(json.dumps(answers), flush=True)


if __name__ == "__main__":
    main()
