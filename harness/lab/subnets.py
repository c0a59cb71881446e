"""Which part of the lab's address range is free on this host."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

from harness.errors import Unavailable
from harness.host.paths import run_dir
from harness.lab import netlink

if TYPE_CHECKING:
    from pyroute2 import IPRoute

RANGE = IPv4Network("198.18.0.0/15")
"""Reserved for benchmarks by RFC 2544."""

SUBNET_PREFIX = 24
_ENGINE_LIMIT_S = 5


@contextmanager
def claimed_subnet(prefixlen: int = SUBNET_PREFIX) -> Iterator[IPv4Network]:
    """A free subnet, which no other lab of this host is given until the context ends: by then a bridge has it.

    Raises Unavailable if there is none.
    """
    with (run_dir() / "subnets.lock").open("ab") as lock, netlink.route() as route:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield _free_subnet(route, prefixlen)


def _free_subnet(route: IPRoute, prefixlen: int) -> IPv4Network:
    """The first subnet of that size in the range that no address, route or Docker network of this host touches.

    Raises Unavailable if there is none.
    """
    taken = [*_routed(route), *_pools()]
    for subnet in RANGE.subnets(new_prefix=prefixlen):
        if not any(subnet.overlaps(other) for other in taken):
            return subnet
    raise Unavailable(
        f"Every network of {RANGE} is in use on this host.", "Free one (ip route show), or remove leftovers: tare sweep"
    )


def _routed(route: IPRoute) -> Iterator[IPv4Network]:
    for entry in route.get_routes(family=2):
        destination = entry.get("dst")
        if destination and entry["dst_len"] > 0:
            yield IPv4Network(f"{destination}/{entry['dst_len']}", strict=False)
    for entry in route.get_addr(family=2):
        yield IPv4Network(f"{entry.get('address')}/{entry['prefixlen']}", strict=False)


def _pools() -> Iterator[IPv4Network]:
    """What the engine has given to networks, which need not show in any route: Docker refuses to give it again."""
    import docker
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    networks: list[dict[str, Any]] = []
    with suppress(DockerException, RequestException), docker.from_env(timeout=_ENGINE_LIMIT_S).api as api:
        networks = api.networks()
    for network in networks:
        for pool in (network.get("IPAM") or {}).get("Config") or ():
            with suppress(KeyError, ValueError):
                yield IPv4Network(pool["Subnet"], strict=False)
