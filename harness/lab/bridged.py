"""The lab: one bridge in 198.18.0.0/15 (reserved for benchmarks by RFC 2544), and the client's namespace on it."""

from __future__ import annotations

import errno
import re
import socket
from contextlib import ExitStack
from ipaddress import IPv4Address, IPv4Network
from types import TracebackType
from typing import Self

from harness.errors import DeployError
from harness.lab import forwarding, namespace, netlink
from harness.lab.api import LabAddress
from harness.lab.kernel_errors import kernel_errors
from harness.lab.subnets import claimed_subnet

LINK_PREFIX = "tare"
"""Every link of ours begins so; Linux allows 15 characters in all."""

_TAG = "[a-z0-9]{1,6}"
_OWN_LINK = re.compile(rf"{LINK_PREFIX}{_TAG}-(br|cl|[rct]\d{{1,2}}|\d{{1,4}})")
CLIENT_HOST = 2
FIRST_SERVICE_HOST = 10
_LAST_SERVICE_HOST = 250


class BridgedLab:
    """The private network of one trial. A context manager: built on the way in, gone on the way out.

    ``prefix`` begins the names of namespaces (``tare-<campaign>-<trial>``); ``tag`` (at most 6 lower-case letters and
    digits, unique among labs that exist at once) begins the names of links.
    """

    def __init__(self, prefix: str, tag: str) -> None:
        if not re.fullmatch(_TAG, tag):
            raise ValueError(f"not usable as a lab's tag: {tag!r}")
        self.prefix = prefix
        self.tag = tag
        self.bridge = f"{LINK_PREFIX}{tag}-br"
        self.client_netns: str | None = f"{prefix}-client"
        self.network: IPv4Network | None = None
        self._next_host = FIRST_SERVICE_HOST
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            with claimed_subnet() as self.network:
                make_bridge(stack, self.bridge, self.network)
            interface = f"{LINK_PREFIX}{self.tag}-cl"
            make_client(stack, f"{self.prefix}-client", self.bridge, interface, self.network, self.network.prefixlen)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def address(self, role: str, spares: int = 0, region: str | None = None) -> LabAddress:
        """A free place for one instance, which the client knows already, with at least so many spares.

        ``region`` is for labs that have some; None elsewhere. Raises DeployError when the lab is full.
        """
        if region is not None:
            raise ValueError("this lab has no regions")
        first, self._next_host = free_block(self._next_host, spares)
        others = tuple(self._place(role, host) for host in range(first + 1, self._next_host))
        return self._place(role, first, others)

    def _place(self, role: str, host: int, spares: tuple[LabAddress, ...] = ()) -> LabAddress:
        if self.network is None:
            raise RuntimeError("the lab is not up")
        ip = self.network.network_address + host
        mac = mac_of(ip)
        client = self.client_netns
        if client is not None:
            namespace.know_neighbour(client, ip, mac)
        return LabAddress(
            prefix=f"{self.prefix}-{role}",
            ip=ip,
            mac=mac,
            network=self.network,
            gateway=self.network.network_address + 1,
            bridge=self.bridge,
            interface=f"{LINK_PREFIX}{self.tag}-{host}",
            lab=self.prefix,
            client=client,
            spares=spares,
        )

    def close_to_client(self, ip: IPv4Address) -> None:
        """The client has no route to ``ip`` any more; the lab's other hosts do. Idempotent. Raises DeployError.

        So it reaches a service through a forward proxy, or not at all.
        """
        if self.client_netns is None:
            raise RuntimeError("the lab is not up")
        namespace.refuse_route(self.client_netns, ip)


class LoopbackLab:
    """The lab of a host that gives us no privileges: the client and the service share the loopback interface."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.client_netns: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None

    def address(self, role: str, spares: int = 0, region: str | None = None) -> LabAddress:
        """127.0.0.1, for every role. Raises DeployError if spares or a region are wanted: there is no other."""
        if region is not None:
            raise DeployError("Regions need the lab's bridges.", "Run as root: sudo -E tare run …")
        if spares:
            raise DeployError("Replicas need the lab's bridge.", "Run as root: sudo -E tare run …")
        return LabAddress(prefix=f"{self.prefix}-{role}", ip=IPv4Address("127.0.0.1"), lab=self.prefix)


Lab = BridgedLab | LoopbackLab


def make_bridge(stack: ExitStack, name: str, pool: IPv4Network) -> None:
    """A bridge with the first address of ``pool``, within which everything may be forwarded, until ``stack`` ends.

    Raises DeployError.
    """
    address = pool.network_address + 1
    with netlink.route() as route, kernel_errors(f"Bridge {name} cannot be made"):
        route.link(
            "add",
            ifname=name,
            kind="bridge",
            address=mac_of(address),
            br_forward_delay=0,
            br_stp_state=0,
            br_mcast_snooping=0,
        )
        stack.callback(_remove_bridge, name)
        (index,) = route.link_lookup(ifname=name)
        route.addr("add", index=index, address=str(address), prefixlen=pool.prefixlen)
        route.link("set", index=index, state="up")
    stack.callback(forwarding.drop_rule, name)
    forwarding.accept_within(name)


def make_client(stack: ExitStack, name: str, bridge: str, interface: str, pool: IPv4Network, prefixlen: int) -> None:
    """The client's namespace as a host on ``bridge``, until ``stack`` ends. Raises DeployError."""
    ip = pool.network_address + CLIENT_HOST
    stack.callback(namespace.remove, name)
    # The kernel ends a namespace some time after it was removed, and its links with it.
    stack.callback(remove_link, interface)
    namespace.create(name)
    namespace.join_bridge(name, bridge=bridge, interface=interface, ip=ip, prefixlen=prefixlen, mac=mac_of(ip))


def free_block(next_host: int, spares: int) -> tuple[int, int]:
    """The first host number from ``next_host`` on of an aligned block for one instance and its spares, and the number
    after the block. Raises DeployError if there is none."""
    size = 1 << spares.bit_length()
    first = -(-next_host // size) * size
    if first + size - 1 > _LAST_SERVICE_HOST:
        raise DeployError("The lab has no free address left.", "Ask for fewer instances at once.")
    return first, first + size


def remove_link(name: str) -> None:
    """Remove a link of that name; nothing happens if there is none, or if it goes meanwhile. Raises DeployError."""
    with kernel_errors(f"Link {name} cannot be removed"), netlink.route() as route:
        for index in route.link_lookup(ifname=name):
            try:
                route.link("del", index=index)
            except netlink.refusals() as error:
                if netlink.code_of(error) != errno.ENODEV:
                    raise


def links(prefix: str) -> list[str]:
    """The names of the host's links that begin with ``prefix``."""
    return sorted(name for _, name in socket.if_nameindex() if name.startswith(prefix))


def is_own_link(name: str) -> bool:
    """Whether a lab gives its links such a name. A stranger's that only begins like ours is not ours."""
    return _OWN_LINK.fullmatch(name) is not None


def _remove_bridge(name: str) -> None:
    """Remove a bridge with its ports: an engine that died leaves the host's end of its container's link there."""
    with netlink.route() as route:
        ports = [
            link.get("ifname") for index in route.link_lookup(ifname=name) for link in route.get_links(master=index)
        ]
    for port in (*ports, name):
        remove_link(port)


def mac_of(ip: IPv4Address) -> str:
    """The locally administered address that Docker's engine derives from an IP address, where it is told none."""
    return "02:42:" + ip.packed.hex(":")


def make_host(at: LabAddress, stack: ExitStack) -> str | None:
    """A network namespace that is the lab's host at that address, until ``stack`` ends; its name.

    None in the loopback lab, whose only host is this one. Raises DeployError.
    """
    if at.bridge is None or at.network is None:
        return None
    stack.callback(namespace.remove, at.prefix)
    # The kernel ends a namespace some time after it was removed, and its links with it.
    stack.callback(remove_link, at.interface)
    namespace.create(at.prefix)
    namespace.join_bridge(
        at.prefix, bridge=at.bridge, interface=at.interface, ip=at.ip, prefixlen=at.network.prefixlen, mac=at.mac
    )
    return at.prefix
