"""What targets and probes need to know of a lab."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network


@dataclass(frozen=True, slots=True)
class LabAddress:
    """A place in the lab for one instance. Every name is fixed before anything is created.

    ``bridge`` is None in the loopback lab, which needs no privileges; then ``ip`` is 127.0.0.1 and the rest is empty.
    ``mac`` is what the client's permanent neighbour entry for ``ip`` says, so the instance's interface must have it.
    ``interface`` is a free host-side interface name (at most 15 characters) for a veth or a tap. ``gateway`` is the
    bridge's own address. ``prefix`` begins the name of everything that is made for this instance, ``lab`` that of what
    all instances of the lab share. ``client`` is the client's namespace. ``spares`` are further places for replicas of
    this instance, an aligned block together with it.

    In a lab with regions ``region`` is the one that the place is in, ``network`` is all of the lab, ``pool`` is that
    region's part of it, and bridge, gateway and client are that region's own. Every host is to reach all of
    ``network`` directly, without a gateway. Elsewhere ``pool`` is None.
    """

    prefix: str
    ip: IPv4Address
    mac: str = ""
    network: IPv4Network | None = None
    gateway: IPv4Address | None = None
    bridge: str | None = None
    interface: str = ""
    lab: str = ""
    client: str | None = None
    spares: tuple[LabAddress, ...] = ()
    region: str = ""
    pool: IPv4Network | None = None
