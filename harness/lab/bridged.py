"""The lab: one bridge in 198.18.0.0/15 (reserved for benchmarks by RFC 2544), and the client's namespace on it."""

from __future__ import annotations

import errno
import re
from contextlib import ExitStack
from ipaddress import IPv4Address, IPv4Network
from types import TracebackType
from typing import Self

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from harness.errors import DeployError
from harness.lab import forwarding, namespace
from harness.lab.api import LabAddress
from harness.lab.refusals import told
from harness.lab.subnets import free_subnet

LINK_PREFIX = "tare"
"""Every link of ours begins so; Linux allows 15 characters in all."""

_TAG = "[a-z0-9]{1,6}"
_OWN_LINK = re.compile(rf"{LINK_PREFIX}{_TAG}-(br|cl|\d{{1,3}})")
_CLIENT_HOST = 2
_FIRST_SERVICE_HOST = 10
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
        self._next_host = _FIRST_SERVICE_HOST
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.network = self._make_bridge(stack)
            stack.callback(forwarding.drop_rule, self.bridge)
            forwarding.accept_within(self.bridge)
            self._make_client(stack, self.network)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def address(self, role: str, spares: int = 0) -> LabAddress:
        """A free place for one instance, which the client knows already, with at least so many spares.

        Raises DeployError when the lab is full.
        """
        size = 1 << spares.bit_length()
        first = -(-self._next_host // size) * size
        if first + size - 1 > _LAST_SERVICE_HOST:
            raise DeployError("The lab has no free address left.", "Ask for fewer instances at once.")
        self._next_host = first + size
        return self._place(role, first, tuple(self._place(role, first + each) for each in range(1, size)))

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

    def _make_bridge(self, stack: ExitStack) -> IPv4Network:
        with IPRoute() as route:
            network = free_subnet(route)
            with told(f"Bridge {self.bridge} cannot be made"):
                route.link(
                    "add",
                    ifname=self.bridge,
                    kind="bridge",
                    address=mac_of(network.network_address + 1),
                    br_forward_delay=0,
                    br_stp_state=0,
                    br_mcast_snooping=0,
                )
                stack.callback(_remove_bridge, self.bridge)
                (index,) = route.link_lookup(ifname=self.bridge)
                route.addr("add", index=index, address=str(network.network_address + 1), prefixlen=network.prefixlen)
                route.link("set", index=index, state="up")
        return network

    def _make_client(self, stack: ExitStack, network: IPv4Network) -> None:
        client = f"{self.prefix}-client"
        interface = f"{LINK_PREFIX}{self.tag}-cl"
        stack.callback(namespace.remove, client)
        # The kernel ends a namespace some time after it was removed, and its links with it.
        stack.callback(remove_link, interface)
        namespace.create(client)
        namespace.join_bridge(
            client,
            bridge=self.bridge,
            interface=interface,
            ip=network.network_address + _CLIENT_HOST,
            prefixlen=network.prefixlen,
            mac=mac_of(network.network_address + _CLIENT_HOST),
        )


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

    def address(self, role: str, spares: int = 0) -> LabAddress:
        """127.0.0.1, for every role. Raises DeployError if spares are wanted: there is no other."""
        if spares:
            raise DeployError("Replicas need the lab's bridge.", "Run as root: sudo -E tare run …")
        return LabAddress(prefix=f"{self.prefix}-{role}", ip=IPv4Address("127.0.0.1"), lab=self.prefix)


Lab = BridgedLab | LoopbackLab


def remove_link(name: str) -> None:
    """Remove a link of that name; nothing happens if there is none, or if it goes meanwhile. Raises DeployError."""
    with told(f"Link {name} cannot be removed"), IPRoute() as route:
        for index in route.link_lookup(ifname=name):
            try:
                route.link("del", index=index)
            except NetlinkError as error:
                if error.code != errno.ENODEV:
                    raise


def links(prefix: str) -> list[str]:
    """The names of the host's links that begin with ``prefix``."""
    with IPRoute() as route:
        return sorted(name for link in route.get_links() if (name := link.get("ifname") or "").startswith(prefix))


def is_own_link(name: str) -> bool:
    """Whether a lab gives its links such a name. A stranger's that only begins like ours is not ours."""
    return _OWN_LINK.fullmatch(name) is not None


def _remove_bridge(name: str) -> None:
    """Remove a bridge with its ports: an engine that died leaves the host's end of its container's link there."""
    with IPRoute() as route:
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
