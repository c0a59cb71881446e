"""Network namespaces that are hosts on a bridge."""

from __future__ import annotations

import errno
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from harness.lab import netlink
from harness.lab.kernel_errors import kernel_errors

NETNS_FOLDER = Path("/run/netns")
INTERFACE = "eth0"
"""The name of a host's interface inside its namespace."""

_NUD_PERMANENT = 0x80


def names() -> list[str]:
    """The named network namespaces of this machine."""
    return sorted(entry.name for entry in NETNS_FOLDER.iterdir()) if NETNS_FOLDER.is_dir() else []


def create(name: str) -> None:
    """A named network namespace with its loopback up. Raises DeployError."""
    with kernel_errors(f"Network namespace {name} cannot be made"):
        netlink.create(name)
        with netlink.inside(name) as namespace:
            namespace.link("set", index=1, state="up")


def remove(name: str) -> None:
    """Remove a named namespace with everything in it. Nothing happens if there is none."""
    if not (NETNS_FOLDER / name).exists():
        return
    try:
        netlink.remove(name)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise


def join_bridge(name: str, *, bridge: str, interface: str, ip: IPv4Address, prefixlen: int, mac: str) -> None:
    """Make namespace ``name`` a host on ``bridge``: a veth whose host side is ``interface``. Raises DeployError."""
    with kernel_errors(f"Namespace {name} cannot join bridge {bridge}"):
        with netlink.route() as route:
            route.link(
                "add",
                ifname=interface,
                kind="veth",
                peer={"ifname": INTERFACE, "net_ns_fd": name, "address": mac},
            )
            (host_side,) = route.link_lookup(ifname=interface)
            (master,) = route.link_lookup(ifname=bridge)
            route.link("set", index=host_side, master=master, state="up")
        with netlink.inside(name) as namespace:
            (inner,) = namespace.link_lookup(ifname=INTERFACE)
            namespace.addr("add", index=inner, address=str(ip), prefixlen=prefixlen)
            namespace.link("set", index=inner, state="up")


def know_neighbour(name: str, ip: IPv4Address, mac: str) -> None:
    """A permanent neighbour entry, so that ARP's one-second retry is no startup time. Raises DeployError."""
    with kernel_errors(f"Namespace {name} cannot be told of {ip}"), netlink.inside(name) as namespace:
        (inner,) = namespace.link_lookup(ifname=INTERFACE)
        namespace.neigh("replace", dst=str(ip), lladdr=mac, ifindex=inner, state=_NUD_PERMANENT)


def refuse_route(name: str, ip: IPv4Address) -> None:
    """That namespace has no way to ``ip`` any more: connecting fails at once. Idempotent. Raises DeployError."""
    with kernel_errors(f"Namespace {name} cannot be kept from {ip}"), netlink.inside(name) as namespace:
        namespace.route("replace", dst=f"{ip}/32", type="unreachable")


def reach_directly(name: str, network: IPv4Network) -> None:
    """That host takes all of ``network`` for neighbours, whatever its own mask says. Idempotent. Raises DeployError.

    ``name`` may be the path of a namespace that has no name, such as a container's.
    """
    with (
        kernel_errors(f"Namespace {name} cannot be given a route to {network}"),
        netlink.inside(name, make=False) as namespace,
    ):
        (inner,) = namespace.link_lookup(ifname=INTERFACE)
        namespace.route("replace", dst=str(network), oif=inner, scope="link")
