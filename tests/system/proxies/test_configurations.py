"""Every configuration that a proxy may be given is read by the proxy's own parser, and a broken one is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from harness.proxies import caching, certificates
from harness.proxies.api import Proxy, Rendered, Route, Upstream
from harness.proxies.registry import PROXIES, make
from harness.spec.proxy import ProxySpec
from tests.support.proxy_configurations import judged

pytestmark = [pytest.mark.timeout(1500), pytest.mark.integration]


@dataclass(frozen=True, slots=True)
class Check:
    """The parser's command, and what it says of a fault that it lets pass."""

    command: str
    faults: str = r"(?!)"
    unread: tuple[str, ...] = ()
    """Files that it does not read: what they do is the contract suite's matter."""


_NGINX = Check("nginx -t -e stderr -c /tmp/proxy/nginx.conf", r"\[(warn|emerg)\]")
_SQUID = Check("squid -k parse -f /tmp/proxy/squid.conf", r"unrecognized|FATAL|ERROR")
CHECKS = {
    "nginx": _NGINX,
    "nginx-cache": _NGINX,
    "haproxy": Check("haproxy -c -f /tmp/proxy/haproxy.cfg", r"\[(WARNING|ALERT)\]"),
    "squid": _SQUID,
    "squid-cache": _SQUID,
    "varnish": Check("varnishd -C -j none -n /tmp/proxy/varnish -f /tmp/proxy/proxy.vcl"),
    # It wants a list of plugins, if an empty one; and it passes over a line of its records that it cannot read.
    "trafficserver": Check(
        "touch /tmp/proxy/plugin.config; traffic_server --run-root=/tmp/proxy/runroot.yaml -C verify_config",
        r"Could not parse|[Uu]nrecognized|failed to add",
        unread=("parent.config", "storage.config"),
    ),
}


def upstreams(count: int, service: int = 0) -> tuple[Upstream, ...]:
    return tuple(Upstream(f"svc-{number}", f"198.18.{service}.{10 + number}", 8000) for number in range(count))


TOPOLOGIES = (
    [Route("/", upstreams(1))],
    [Route("/a.b*c~d/", upstreams(1)), Route("/it's(a)+b$", upstreams(1, 1)), Route("/q;r=1,2&!", upstreams(1, 2))],
)
"""What any proxy can route. A prefix has the characters that RFC 3986 gives a path."""

SPREAD = (
    [Route("/", upstreams(3))],
    [Route("/", upstreams(2)), Route("/payments", upstreams(1, 1)), Route("/payments/x", upstreams(2))],
)
"""What one that spreads load can route besides."""


def specifications(proxy: Proxy) -> Iterator[ProxySpec]:
    """Every value of what changes its configuration, if not each with each."""
    kind = type(proxy)
    checks: tuple[float | None, ...] = (None, 0.5) if kind.checks else (None,)
    tables: list[dict[str, Any]] = [
        {"balance": balance, "keepalive": keepalive, "max_fails": max_fails, "check_s": check_s}
        for balance, keepalive, max_fails, check_s in product(sorted(kind.balances), (32, 0), (0, 4), checks)
    ]
    tables += [{"allow": ("198.18.9.0/24", "198.18.7.7:81", ".a.example:80")}] if kind.forward else []
    tables += [
        {"cache": {"policy": policy, "size_mib": 5.37, "ttl_s": ttl_s, "collapse": ttl_s is None, **stale}}
        for policy in sorted(kind.policies)
        for ttl_s in (None, 2.5)
        for stale in ({}, {"stale_if_error_s": 9.5}, {"stale_while_revalidate_s": 3.5, "stale_if_error_s": 9.5})
        if not kind.lacks & stale.keys()
    ]
    for table in tables:
        spec = ProxySpec.model_validate({"kind": kind.name, **table})
        yield caching.with_size(spec, None) if kind.policies else spec


def configurations(proxy: Proxy) -> Iterator[Rendered]:
    """Every specification on one topology, every topology with one specification, and TLS where it speaks that."""
    kind = type(proxy)
    topologies = TOPOLOGIES if kind.forward else (*TOPOLOGIES, *SPREAD)
    usual = next(iter(specifications(proxy)))
    pairs = [(spec, topologies[-1]) for spec in specifications(proxy)] + [(usual, routes) for routes in topologies]
    for spec, routes in pairs:
        yield proxy.render(spec, routes, None)
    if kind.tls_port is not None:
        yield proxy.render(usual, topologies[-1], certificates.make("198.18.0.2", days=1))


@pytest.mark.parametrize("name", PROXIES)
def test_its_own_parser_reads_every_configuration(name: str, tmp_path: Path) -> None:
    # Some settings are in the command alone, and each configuration takes Varnish a compilation.
    cases = list({str(case.files) + str(case.secrets): case for case in configurations(make(name))}.values())
    check = CHECKS[name]
    found = judged(make(name), check.command, cases, tmp_path)
    assert len(found) == len(cases)
    for case, judgement in zip(cases, found, strict=True):
        fault = re.search(f".*(?:{check.faults}).*", judgement.said)
        assert (judgement.code, fault) == (0, None), f"{judgement.said[-2000:]}\n{case.files}"


@pytest.mark.parametrize("name", PROXIES)
def test_its_own_parser_tells_a_broken_configuration(name: str, tmp_path: Path) -> None:
    usual, check = next(configurations(make(name))), CHECKS[name]
    names = [file for file in usual.files if not file.endswith((".pl", ".yaml")) and file not in check.unread]
    broken = [
        replace(usual, files={**usual.files, file: f"{usual.files[file]}no_such_directive on\n"}) for file in names
    ]
    for file, judgement in zip(names, judged(make(name), check.command, broken, tmp_path), strict=True):
        assert judgement.code != 0 or re.search(check.faults, judgement.said), f"{file}\n{judgement.said[-2000:]}"
