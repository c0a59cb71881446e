"""What task code calls: requests whose answers are checked, each reported once to a sink."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from harness.load.client.connection import Activity
from harness.load.client.http import ExchangeFailed, Response, encode_request
from harness.load.client.routing import Routing
from harness.load.recorder import Outcome

Check = Callable[[Response], object]
"""Looks at an answer with the expected status. Returning False, or raising, means: not the expected answer."""


class Sink(Protocol):
    """Where exchanges are reported."""

    def answered(self, name: str, response: Response, outcome: Outcome, problem: str) -> None: ...

    def failed(self, name: str, failure: ExchangeFailed) -> None: ...


class Session:
    """A keep-alive connection to each address under load, as ``self.client`` of a Locust user.

    The path decides over which of them a request goes. At most one request at a time. ``region`` is the number of the
    region that the client stands in.
    """

    region: int = 0

    def __init__(self, routing: Routing, timeout_s: float, sink: Sink, activity: Activity | None = None) -> None:
        self.connections = routing.connections(timeout_s, activity)
        self._routing = routing
        self._sink = sink

    def close(self) -> None:
        """Close what is open. The next request opens again what it needs."""
        for connection in self.connections:
            connection.close()

    def get(
        self, path: str, *, expect_status: int = 200, check: Check | None = None, name: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:  # fmt: skip
        """``request`` with GET."""
        return self.request("GET", path, expect_status=expect_status, check=check, name=name, headers=headers)

    def post(
        self, path: str, body: bytes, *, expect_status: int = 200, check: Check | None = None, name: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:  # fmt: skip
        """``request`` with POST."""
        return self.request("POST", path, body, expect_status=expect_status, check=check, name=name, headers=headers)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        expect_status: int = 200,
        check: Check | None = None,
        name: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send one request and return its answer.

        An answer of another status, or one that ``check`` does not accept, is reported as unexpected and returned all
        the same. Raises ExchangeFailed when there is no complete answer, and ValueError for a path to which no route
        leads. The stamps are taken before the check runs.
        ``name`` is what Locust's own statistics call the request (default: method and path).
        """
        label = name or f"{method} {path}"
        try:
            response = self._exchange(method, path, body, headers)
        except ExchangeFailed as failure:
            self._sink.failed(label, failure)
            raise
        problem = _problem(response, expect_status, check)
        self._sink.answered(label, response, Outcome.UNEXPECTED if problem else Outcome.OK, problem)
        return response

    def _exchange(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str] | None) -> Response:
        target = self._routing.target_of(path)
        encoded = encode_request(method, target.origin + path, target.host, headers, body)
        return self.connections[target.connection_index].exchange(encoded, head=method == "HEAD")


def _problem(response: Response, expect_status: int, check: Check | None) -> str:
    if response.status != expect_status:
        return f"status {response.status}, expected {expect_status}"
    if check is None:
        return ""
    try:
        accepted = check(response)
    except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
        return f"the check of the answer failed: {error!r}"
    return "the answer is not the expected one" if accepted is False else ""
