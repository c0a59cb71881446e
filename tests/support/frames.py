"""Ethernet frames of a lab's hosts, by their addresses."""

from __future__ import annotations

from ipaddress import IPv4Address

from harness.lab.bridged import mac_of

BROADCAST = bytes([255] * 6)


def hardware(ip: str) -> bytes:
    return bytes.fromhex(mac_of(IPv4Address(ip)).replace(":", ""))


def frame(to: str, sender: str, body: bytes, size: int = 0) -> bytes:
    """An IPv4 frame as far as the core looks, at least so long."""
    return (hardware(to) + hardware(sender) + b"\x08\x00" + body).ljust(size, b"\0")


def who_has(wanted: str, asker: str, asker_ip: str | None = None) -> bytes:
    """An ARP request; ``asker_ip`` where it is not the asker's own."""
    head = BROADCAST + hardware(asker) + bytes.fromhex("0806 0001 0800 06 04 0001")
    sender = IPv4Address(asker if asker_ip is None else asker_ip).packed
    return head + hardware(asker) + sender + bytes(6) + IPv4Address(wanted).packed
