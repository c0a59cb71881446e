"""What was measured of the lab's regions and of what joins them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RttRecord:
    """What the client of ``region`` measured to a host of the deployment before the load, by ICMP echoes.

    ``asked_ms`` is what the geography says. ``host`` is an instance's name.
    """

    region: str
    host: str
    asked_ms: float
    median_ms: float
    p99_ms: float
    echoes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BackboneRecord:
    """What the backbone that joins the regions did over the trial.

    ``dropped``: by its full queues, which no trial should see; ``lost``: on purpose, by the geography's loss.
    ``late_p99_ns``: how late packets left it, beyond their delay. ``cpu_ns`` is its own CPU time.
    """

    packets: int
    bytes: int
    dropped: int
    lost: int
    late_p99_ns: int
    cpu_ns: int
