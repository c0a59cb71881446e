"""Regions on loopback: every place has an address of its own, and nobody is far from anybody."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.lab.api import LabAddress
from harness.lab.backbone.process import Backbone
from harness.lab.bridged import Lab
from harness.lab.regional import RegionalLab
from harness.proxies.caching import OutcomeHeader
from harness.records.network import BackboneRecord, RttRecord
from harness.simulation.catalogue import Catalogue
from harness.spec.geography import Geography
from harness.spec.sequence import CatalogueSpec
from harness.targets.api import Target
from tests.support.fake_sets import FakeProxy, SetBench, SetTarget, WideInstruments, member, set_bench

GEOGRAPHY: Mapping[str, object] = {
    "regions": {"near": {"weight": 2}, "far": {"weight": 1}, "farther": {"weight": 1}},
    "links": [
        {"between": ["near", "far"], "rtt_ms": 40},
        {"between": ["near", "farther"], "rtt_ms": 90},
        {"between": ["far", "farther"], "rtt_ms": 60},
    ],
    "origin": "near",
}
CATALOGUE = Catalogue.of(CatalogueSpec(objects=100, size_bytes=1000))
SEQUENCE: Mapping[str, object] = {"requests": 1000, "objects": 100, "exponent": 1}


class StillCore(Backbone):
    """Forwards nothing, and says that it did well, or that it dropped ``dropped``."""

    def __init__(self, dropped: int = 0) -> None:
        super().__init__(())
        self._dropped = dropped

    def report(self) -> BackboneRecord:
        return BackboneRecord(packets=100, bytes=10_000, dropped=self._dropped, lost=0, late_p99_ns=1000, cpu_ns=1000)


class FarLab(RegionalLab):
    """``given``: the roles and their regions, in order. ``off_ms``: by how much every measured distance is wrong."""

    def __init__(self, prefix: str, geography: Geography, backbone: Backbone, off_ms: float = 0.0) -> None:
        super().__init__(prefix, "x", geography)
        self.client_netns = None
        self.given: list[tuple[str, str]] = []
        self._still = backbone
        self._off_ms = off_ms
        self._last = 10

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None

    @property
    def backbone(self) -> Backbone:
        return self._still

    def address(self, role: str, spares: int = 0, region: str | None = None) -> LabAddress:
        assert spares == 0
        where = region or self.geography.origin
        self.given.append((role, where))
        self._last += 1
        ip = IPv4Address(f"127.0.0.{self._last}")
        return LabAddress(prefix=f"{self.prefix}-{role}", ip=ip, lab=self.prefix, region=where)

    def measure_rtts(self, hosts: Mapping[str, IPv4Address], echoes: int = 100) -> tuple[RttRecord, ...]:
        return tuple(
            RttRecord(
                region=region, host=host, asked_ms=10.0, median_ms=10.0 + self._off_ms, p99_ms=11.0, echoes=echoes
            )
            for region in self.clients
            for host in hosts
        )


@dataclass
class FarInstruments(WideInstruments):
    """In such a lab, where a geography asks for one."""

    backbone: Backbone = field(default_factory=StillCore)
    off_ms: float = 0.0

    def far(self, prefix: str, geography: Geography) -> AbstractContextManager[Lab]:
        return FarLab(prefix, geography, self.backbone, self.off_ms)


class FakeCache(FakeProxy):
    """One that says it caches."""

    name = "fakecache"
    policies = frozenset({"lru", "fifo"})
    outcome = OutcomeHeader("X-Cache", (("hit", "hit"), ("miss", "miss")))
    minimum_bytes = 100
    overhead_bytes = 250

    def __init__(self, folder: Path = Path(), log: str = "") -> None:
        super().__init__(folder, log)


def cdn_bench(path: Path, proxy: FakeProxy | None, target: Target | None = None, **changes: object) -> SetBench:
    """A bench of one service that counts, with that proxy or none, in GEOGRAPHY unless ``changes`` say otherwise.

    ``spec`` of the changes is the proxy's table.
    """
    table = changes.pop("spec", {})
    assert isinstance(table, dict)
    names = [] if proxy is None else [proxy.name]
    asked = changes.pop("matrix", {})
    assert isinstance(asked, dict)
    made = set_bench(
        path,
        target or SetTarget(),
        members={"origin": member()},
        topology={"routes": {"/": "origin"}, "counter": "/count"},
        matrix={"proxies": names or ["direct"], **asked},
        baseline=changes.pop("baseline", "-".join(["shop-fake", *names])),
        **{
            "proxies": {proxy.name: {"kind": proxy.name, **table}} if proxy is not None else {},
            "geography": GEOGRAPHY,
            **changes,
        },
    )
    made.instruments = FarInstruments()
    made.catalogue = CATALOGUE
    if proxy is not None:
        made.proxies[proxy.name] = proxy
    return made
