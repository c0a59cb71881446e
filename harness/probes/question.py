"""One request of the prober's and its correct answer. The standard library alone: the prober's own process reads it.

An order's step is a dictionary: ``name``, ``method``, ``path``, ``headers``, ``body``, ``status``, ``exact`` (the whole
body or None), ``contains`` (or None), ``capture`` (names to keys of the JSON answer), ``alone`` (bool) and, where it is
not the usual one, ``period_ns``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from harness.probes.wire import encode
from harness.spec.route import Route, route_of

PERIOD_NS = 900_000
"""Between two attempts. Somewhat below 1 ms, so that with the wake-up's delay they stay at most 1 ms apart."""

_REFERENCE = re.compile(r"\$\{([A-Za-z0-9_.-]+)\}")


def references(text: str) -> Iterator[str]:
    """The names that ``text`` refers to as ``${name}``."""
    return (match[1] for match in _REFERENCE.finditer(text))


def filled(text: str, values: Mapping[str, str]) -> str:
    """``text`` with every reference replaced by its value, as it is. Raises KeyError for one that has none."""
    return _REFERENCE.sub(lambda match: values[match[1]], text)


class Question:
    """What to send where, and what is wrong with an answer. ``alone``: it must not be under way twice.

    ``step`` and ``order`` are the parent's (harness.probes.child). ``captured``: what the last correct answer gave.
    """

    def __init__(self, step: Mapping[str, Any], values: Mapping[str, str], order: Mapping[str, Any]) -> None:
        self.name = str(step["name"])
        self.alone = bool(step["alone"])
        self.period_ns = int(step.get("period_ns", PERIOD_NS))
        self.captured: dict[str, str] = {}
        path = filled(step["path"], values)
        place = route_of(path, [Route(*route) for route in order["routes"]])
        host = f"{place.ip}:{place.port}"
        target = f"http://{host}{path}" if order["forward_proxy"] else path
        headers = {name: filled(value, values) for name, value in step["headers"].items()}
        ip, port = order["forward_proxy"] or (place.ip, place.port)
        self.address = (str(ip), int(port))
        self.request = encode(step["method"], target, host, headers, filled(step["body"], values))
        self._status = step["status"]
        self._exact = None if step["exact"] is None else str(step["exact"]).encode()
        self._contains = str(step["contains"] or "").encode()
        self._capture: dict[str, str] = step["capture"]

    def fault(self, status: int, body: bytes) -> tuple[str, str] | None:
        """What is wrong with an answer, in short and at length; None if it is correct."""
        text = " ".join(body[:200].decode("utf-8", "replace").split())
        if status != self._status:
            return f"status {status}", f"status {status}: {text}"
        if (self._exact is not None and body != self._exact) or self._contains not in body:
            return "wrong body", f"status {status} with another body than expected: {text}"
        try:
            self.captured = {name: _value(json.loads(body), key) for name, key in self._capture.items()}
        except (ValueError, LookupError, TypeError):
            keys = ", ".join(self._capture.values())
            return "wrong body", f"status {status} with a body that does not hold {keys}: {text}"
        return None


def _value(answer: Any, dotted: str) -> str:
    """What stands at a dotted key; a part that is a number counts in a list."""
    for part in dotted.split("."):
        answer = answer[int(part)] if isinstance(answer, list) else answer[part]
    return answer if isinstance(answer, str) else json.dumps(answer)
