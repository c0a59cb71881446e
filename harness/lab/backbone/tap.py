"""TAP devices: an interface of the host whose frames a process reads and writes."""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

from harness.lab import netlink
from harness.lab.kernel_errors import kernel_errors

_TUNSETIFF = 0x400454CA
_IFF_TAP = 0x0002
_IFF_NO_PI = 0x1000
_QUEUE_FRAMES = 4096


def open_tap(name: str, bridge: str) -> int:
    """The descriptor of a new TAP device on ``bridge``, not blocking. The device ends with its last descriptor.

    It has none of the offloads, so what is read from it are frames as long as a wire carries them, with their
    checksums: the kernel cuts segments and completes checksums before a device without them. Raises DeployError.
    """
    with kernel_errors(f"TAP device {name} cannot be made"):
        descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI))
            # The host itself is to say nothing on it.
            ipv6 = Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6")
            if ipv6.exists():
                ipv6.write_text("1")
            with netlink.route() as route:
                (index,) = route.link_lookup(ifname=name)
                (master,) = route.link_lookup(ifname=bridge)
                route.link("set", index=index, master=master, txqlen=_QUEUE_FRAMES)
                route.link("set", index=index, state="up")
        except BaseException:
            # The device goes with its descriptor, after an interruption as well.
            os.close(descriptor)
            raise
        return descriptor
