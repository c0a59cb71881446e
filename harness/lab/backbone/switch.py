"""What the backbone does to a frame: where it goes and when it is there. Pure but for the writing.

Standard library only: it is part of the backbone's own process. Times are nanoseconds of the monotonic clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import Final

NS_PER_S = 1_000_000_000

LONGEST_FRAME = 1514
"""A frame of the lab's networks: 1,500 bytes behind an Ethernet header."""

BACKLOG_NS = 250_000_000
"""How much may wait for an uplink of limited rate: what it carries in that time, the old rule for a router's buffer
(bandwidth x 250 ms; Villamizar and Song, "High performance TCP in ANSNET", 1994)."""

MAX_FRAMES = 65_536
"""How many frames may be under way in all: some 100 MB."""

LATE_STEP_NS = 10_000
_LATE_STEPS = 10_000

_OWN_MAC = b"\x02\x42"
"""How every hardware address of the lab begins; the IPv4 address follows (harness.lab.bridged.mac_of)."""

_ARP_REQUEST_FOR_IPV4 = b"\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01"
_ARP_REPLY_HEAD = b"\x08\x06\x00\x01\x08\x00\x06\x04\x00\x02"
_NOBODY = bytes(4)


class Line:
    """One direction of a region's uplink: its rate in bits of whole frames a second, and its loss."""

    __slots__ = ("_draw", "_free_ns", "_loss", "_ns_per_byte", "plain")

    def __init__(self, rate_bps: float | None, loss: float, draw: Callable[[], float]) -> None:
        self._ns_per_byte = 0.0 if rate_bps is None else 8 * NS_PER_S / rate_bps
        self._loss = loss
        self._draw = draw
        self._free_ns = 0.0
        self.plain: Final = rate_bps is None and not loss
        """Whether a frame that enters it has always left it at once."""

    def loses(self) -> bool:
        return self._loss > 0 and self._draw() < self._loss

    def left_ns(self, size: int, now_ns: int) -> int | None:
        """When the last bit of a frame that comes now has left; None if too much is waiting already."""
        if not self._ns_per_byte:
            return now_ns
        begin_ns = max(float(now_ns), self._free_ns)
        if begin_ns - now_ns > BACKLOG_NS:
            return None
        self._free_ns = begin_ns + size * self._ns_per_byte
        return round(self._free_ns)


class Switch:
    """Joins the ports of the regions, in their order. ``write`` puts a frame out on a port: False if it cannot.

    ``nets[port]`` are the first three bytes of that region's addresses, ``delays_ns[from][to]`` the one-way delays.
    What goes from one port to another arrives in the order in which it came. A frame passes the sender's line out, the
    delay, and the receiver's line in.
    """

    def __init__(
        self,
        nets: Sequence[bytes],
        delays_ns: Sequence[Sequence[int]],
        outward: Sequence[Line],
        inward: Sequence[Line],
        write: Callable[[int, bytes], bool],
        clock: Callable[[], int],
    ) -> None:
        self._ports = {_OWN_MAC + net: port for port, net in enumerate(nets)}
        self._others = [tuple(each for each in range(len(nets)) if each != port) for port in range(len(nets))]
        self._delays_ns = delays_ns
        self._outward = outward
        self._inward = inward
        self._write = write
        self._clock = clock
        # (when, number, whether it has passed the receiver's line, port, frame); the number keeps equal times in order.
        self._under_way: list[tuple[int, int, bool, int, bytes]] = []
        self._number = 0
        self._late = [0] * (_LATE_STEPS + 1)
        self.packets = 0
        self.bytes = 0
        self.dropped = 0
        self.lost = 0

    @property
    def next_ns(self) -> int | None:
        """When something is to be done next; None if nothing is under way."""
        return self._under_way[0][0] if self._under_way else None

    def receive(self, source: int, frame: bytes, now_ns: int) -> None:
        """A frame came in from the region ``source``."""
        if len(frame) > LONGEST_FRAME:
            self.dropped += 1
            return
        if frame[0] & 1:
            if self._answers(source, frame):
                return
            targets = self._others[source]
        else:
            port = self._ports.get(frame[:5])
            if port == source:
                # Its own bridge did not know yet where that host is, and sent the frame everywhere.
                return
            targets = self._others[source] if port is None else (port,)
        line = self._outward[source]
        if not line.plain:
            if line.loses():
                self.lost += 1
                return
            left_ns = line.left_ns(len(frame), now_ns)
            if left_ns is None:
                self.dropped += 1
                return
            now_ns = left_ns
        delays_ns = self._delays_ns[source]
        for port in targets:
            if len(self._under_way) >= MAX_FRAMES:
                self.dropped += 1
                continue
            self._number += 1
            heappush(self._under_way, (now_ns + delays_ns[port], self._number, self._inward[port].plain, port, frame))

    def deliver(self, limit: int) -> None:
        """Put out what is due, at most so many frames."""
        under_way, clock, late = self._under_way, self._clock, self._late
        now_ns = clock()
        while limit and under_way and under_way[0][0] <= now_ns:
            due_ns, _, passed, port, frame = heappop(under_way)
            if not passed:
                self._enter(port, frame, due_ns)
                continue
            limit -= 1
            now_ns = clock()
            late[min((now_ns - due_ns) // LATE_STEP_NS, _LATE_STEPS)] += 1
            if self._write(port, frame):
                self.packets += 1
                self.bytes += len(frame)
            else:
                self.dropped += 1

    def late_ns(self, share: float) -> int:
        """The lateness that this share of the frames put out did not exceed, to 10 us; 0 if there were none."""
        left = share * sum(self._late)
        for step, count in enumerate(self._late):
            left -= count
            if left <= 0:
                return (step + 1) * LATE_STEP_NS if count else 0
        return _LATE_STEPS * LATE_STEP_NS

    def _enter(self, port: int, frame: bytes, now_ns: int) -> None:
        """The frame is at the receiver's line."""
        line = self._inward[port]
        if line.loses():
            self.lost += 1
        elif (left_ns := line.left_ns(len(frame), now_ns)) is None:
            self.dropped += 1
        else:
            self._number += 1
            heappush(self._under_way, (left_ns, self._number, True, port, frame))

    def _answers(self, source: int, frame: bytes) -> bool:
        """Whether it asks who has an address of another region: answered here and now, as the address tells.

        Else the first packet between two hosts would take a round trip more than distance asks for.
        """
        if frame[12:22] != _ARP_REQUEST_FOR_IPV4 or len(frame) < 42 or frame[28:32] == _NOBODY:
            return False
        wanted = frame[38:42]
        port = self._ports.get(_OWN_MAC + wanted[:3])
        if port is None or port == source:
            return False
        asker, holder = frame[22:28], _OWN_MAC + wanted
        self._write(source, asker + holder + _ARP_REPLY_HEAD + holder + wanted + asker + frame[28:32])
        return True
