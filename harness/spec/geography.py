"""Where clients, points of presence and the services stand, and how far apart: regions joined by links."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from harness.spec.base import Name, SpecModel

Milliseconds = Annotated[float, Field(ge=0, le=2000, strict=False)]
LossShare = Annotated[float, Field(ge=0, le=0.5, strict=False)]


class Region(SpecModel):
    """One region. ``weight``: its part of the clients' requests, against the other regions'.

    ``rate_mbit`` and ``loss`` are of its access to the core, in each direction: what leaves it and what comes to it.
    """

    weight: Annotated[float, Field(ge=0, le=1000, strict=False)] = 1.0
    rate_mbit: Annotated[float, Field(gt=0, le=100_000, strict=False)] | None = None
    loss: LossShare = 0.0


class Link(SpecModel):
    """The round-trip time between two regions; one way takes half of it."""

    between: Annotated[tuple[Name, Name], Field(strict=False)]
    rtt_ms: Milliseconds


class Geography(SpecModel):
    """The table ``[geography]``: regions, the links between each two of them, and who stands where.

    Give ``preset``, or ``regions`` with a link for each pair. The services and the counting of their requests are in
    the region ``origin``. A proxy that caches has an instance (a point of presence) in each region of ``pops`` (none
    given: in every region), and clients are sent to the nearest one. With ``shield`` they ask a further instance in
    that region, which alone asks the origin (two tiers: edge, shield, origin).
    """

    preset: Literal["five-regions"] | None = None
    regions: dict[Name, Region] = Field(default_factory=dict)
    links: Annotated[tuple[Link, ...], Field(strict=False, max_length=120)] = ()
    origin: Name
    pops: Annotated[tuple[Name, ...], Field(strict=False, max_length=16)] = ()
    shield: Name | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.preset is not None and self.links:
            raise ValueError("a preset has its links: give either preset, or regions with links")
        names = self.names
        if not 2 <= len(names) <= 16:
            raise ValueError(f"give 2 to 16 regions, not {len(names)}")
        if "shield" in names:
            raise ValueError("regions: none can be called shield: proxy-shield is what the others ask")
        if unknown := [name for name in self.regions if name not in names]:
            raise ValueError(f"regions: {unknown[0]!r} is not one of {', '.join(names)}")
        if doubled := _doubled(frozenset(link.between) for link in self.links):
            raise ValueError(f"links: {' and '.join(sorted(doubled))} are joined twice")
        for link in self.links:
            if link.between[0] == link.between[1]:
                raise ValueError(f"links: {link.between[0]!r} is joined to itself")
            if unknown := [name for name in link.between if name not in names]:
                raise ValueError(f"links: {unknown[0]!r} is not one of the regions: {', '.join(names)}")
        if self.preset is None and len(self.links) != len(names) * (len(names) - 1) // 2:
            raise ValueError("links: every two regions need one")
        for what, given in (("origin", (self.origin,)), ("pops", self.pops), ("shield", (self.shield,))):
            if unknown := [name for name in given if name is not None and name not in names]:
                raise ValueError(f"{what}: {unknown[0]!r} is not one of the regions: {', '.join(names)}")
        if len(set(self.pops)) != len(self.pops):
            raise ValueError("pops: a region is named twice")
        if not any(self.region(name).weight for name in names):
            raise ValueError("regions: some region must have a weight")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The regions, in the order of the file or of the preset."""
        return tuple(self.regions) if self.preset is None else PRESETS[self.preset].names

    def region(self, name: str) -> Region:
        return self.regions.get(name) or Region()

    def rtt_ms(self, one: str, other: str) -> float:
        """Between two regions; 0 within one."""
        if one == other:
            return 0.0
        links = self.links if self.preset is None else PRESETS[self.preset].links
        return next(link.rtt_ms for link in links if set(link.between) == {one, other})

    @property
    def pop_regions(self) -> tuple[str, ...]:
        """The regions that have a point of presence."""
        return self.pops or self.names

    def nearest(self, region: str) -> tuple[str, ...]:
        """The regions of the points of presence by their distance from ``region``, the nearest first."""
        return tuple(sorted(self.pop_regions, key=lambda pop: (self.rtt_ms(region, pop), pop != region, pop)))

    def entry(self, region: str) -> str:
        """The region whose point of presence the clients of ``region`` are sent to."""
        return self.nearest(region)[0]


@dataclass(frozen=True, slots=True)
class Preset:
    """Regions with a link between each two."""

    names: tuple[str, ...]
    links: tuple[Link, ...]


def _preset(rows: Mapping[str, Mapping[str, float]]) -> Preset:
    names = dict.fromkeys([*rows, *(other for row in rows.values() for other in row)])
    links = (Link(between=(one, other), rtt_ms=rtt) for one, row in rows.items() for other, rtt in row.items())
    return Preset(tuple(names), tuple(links))


PRESETS: Mapping[str, Preset] = {
    "five-regions": _preset(
        {
            "us-east": {"eu-central": 89, "sa-east": 127, "ap-northeast": 137, "ap-southeast": 215},
            "eu-central": {"sa-east": 205, "ap-northeast": 235, "ap-southeast": 248},
            "sa-east": {"ap-northeast": 283, "ap-southeast": 326},
            "ap-northeast": {"ap-southeast": 118},
        }
    )
}
"""``five-regions``: Washington DC, Frankfurt, Sao Paulo, Tokyo and Sydney; mean round-trip times from 20 December 2025
to 18 January 2026, in ms, as IBM Cloud publishes them between its own regions ("Network latency", documentation of IBM
Cloud VPC; of the two directions that of the row named first here)."""


def _doubled(pairs: Iterable[frozenset[str]]) -> frozenset[str] | None:
    seen: set[frozenset[str]] = set()
    for pair in pairs:
        if pair in seen:
            return pair
        seen.add(pair)
    return None
