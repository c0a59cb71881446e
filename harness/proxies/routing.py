"""What the reverse proxies have in common: who is behind which prefix, and for how long anything is waited for."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.proxies.api import Route, Upstream
from harness.spec.proxy import ProxySpec

ROOT = "/"
CONNECT_S = 1
"""A lab's longest round trip is a fraction of it, and a host that is gone does not answer at all."""

ANSWER_S = 60
CLIENT_IDLE_S = 60
UPSTREAM_IDLE_S = 4
"""An idle upstream connection is closed before the service does it: uvicorn and Node close it after 5 s, and a request
that crosses with that is lost."""

TRIES = 3
"""How many upstreams are tried for one request, if it can be repeated."""

CONNECTIONS = 4096
REQUESTS_PER_CONNECTION = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Group:
    """The upstreams among which requests are spread, named for a configuration. Routes to the same ones share it."""

    name: str
    upstreams: tuple[Upstream, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """The groups, and (prefix, group) of every route with the longest prefix first."""

    groups: tuple[Group, ...]
    rules: tuple[tuple[str, Group], ...]

    @property
    def root(self) -> Group | None:
        """The group of what no other route fits; None if that is answered with 404."""
        return next((group for prefix, group in self.rules if prefix == ROOT), None)

    @property
    def below_root(self) -> tuple[tuple[str, Group], ...]:
        """The rules without that one. It is the last of all, so the others keep their order and number."""
        return tuple((prefix, group) for prefix, group in self.rules if prefix != ROOT)


def table(routes: Sequence[Route]) -> Table:
    """Group the routes' upstreams."""
    groups: dict[tuple[Upstream, ...], Group] = {}
    for route in routes:
        groups.setdefault(route.upstreams, Group(f"group{len(groups) + 1}", route.upstreams))
    ordered = sorted(routes, key=lambda route: len(route.prefix), reverse=True)
    return Table(tuple(groups.values()), tuple((route.prefix, groups[route.upstreams]) for route in ordered))


def fail_timeout(spec: ProxySpec) -> int:
    """In whole seconds, rounded up: nginx takes no fraction, and all proxies shall mean the same."""
    return max(1, math.ceil(spec.fail_timeout_s))


def below(prefix: str) -> str:
    """An expression (PCRE) that fits a request's path and query if that is the prefix itself, or something below it."""
    end = "" if prefix.endswith("/") else "(?:[/?]|$)"
    return f"^{re.escape(prefix)}{end}"
