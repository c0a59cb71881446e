"""How a variant is called and drawn, the same in every chart, table and sentence."""

from __future__ import annotations

import html
import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness.analysis.intervals import known
from harness.records.variant import Variant
from harness.spec.matrix import AA_SUFFIX
from harness.spec.proxy import DIRECT
from harness.spec.topology import SINGLE
from reports.frames import rows

EMULATED = "emulated"
_EMULATOR = "tcg"

MANY_VARIANTS = 6
"""From more variants than this on, tables turn and charts are split, so that each stays readable."""

_LINE = 18
"""The longest line of a label in a chart: on a phone a longer one would leave no room for the picture."""

_SHADES = (0.0, 0.34, 0.58)
"""Variants that share a hue are told apart by how dark it is (which keeps the contrast), marker and dash."""

_KNOWN = ("process", "container", "vm")

# Okabe & Ito's colours, those with a contrast of at least 3:1 on white (WCAG 1.4.11), then darker ones of our own.
_KNOWN_COLOURS: Mapping[str, str] = {"process": "#0072B2", "container": "#D55E00", "vm": "#00835F"}
_MORE_COLOURS = ("#8E5EA2", "#7A6A00", "#B03A72", "#4D4D4D", "#2F8A9D", "#8C4A2F")
_KNOWN_SYMBOLS: Mapping[str, str] = {"process": "circle", "container": "square", "vm": "diamond"}
_MORE_SYMBOLS = ("cross", "triangle-up", "star", "hexagon", "triangle-down", "pentagon")
_KNOWN_DASHES: Mapping[str, str] = {"process": "solid", "container": "dash", "vm": "dashdot"}
_MORE_DASHES = ("dot", "longdash", "longdashdot")


def variant_label(variant: str, accelerator: str) -> str:
    """The variant's name for a person; an emulated virtual machine is never shown without saying so."""
    return f"{variant} ({EMULATED})" if accelerator == _EMULATOR else variant


def plain(text: str) -> str:
    """Text for a chart: plotly reads a subset of HTML in labels, so markup that came with the text is made inert."""
    return html.escape(text, quote=False)


def mix(colour: str, white: float) -> str:
    """``colour`` (``#rrggbb``) with a share of white, 0..1."""
    parts = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(part + (255 - part) * white):02x}" for part in parts)


def darker(colour: str, black: float) -> str:
    """``colour`` (``#rrggbb``) with a share of black, 0..1."""
    parts = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(part * (1 - black)):02x}" for part in parts)


def wrapped(label: str, line: int = _LINE) -> str:
    """A label for an axis, as inert HTML: broken after its hyphens and before a bracket where it is long."""
    lines = [""]
    for piece in re.findall(r"[^-\s]*[-\s]?", label):
        if lines[-1] and len(lines[-1]) + len(piece.rstrip()) > line:
            lines.append("")
        lines[-1] += piece
    return "<br>".join(plain(text.rstrip()) for text in lines)


def clear(colour: str, alpha: float) -> str:
    """``colour`` (``#rrggbb``) as a translucent one."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


@dataclass(frozen=True, slots=True)
class Look:
    """The order, label, colour, marker and dash of each variant of a campaign.

    ``families``: what gives a variant its hue: its target, or where all have one, its proxy, or its topology.
    """

    order: tuple[str, ...]
    labels: Mapping[str, str]
    colours: Mapping[str, str]
    symbols: Mapping[str, str]
    dashes: Mapping[str, str]
    families: Mapping[str, str]

    @classmethod
    def of(cls, trials: pd.DataFrame, variants: Iterable[Variant] = ()) -> Look:
        """From a campaign's trials; ``variants`` are those that must be there even without a trial, in their order.

        A variant that ran emulated in any attempt is labelled so: a mixture must not pass for the faster kind.
        """
        known = {variant.name: variant for variant in (*variants, *_variants(trials[trials["kind"] != "null"]))}
        names = sorted(known, key=_Rank(tuple(known.values())))
        emulated = set(trials.loc[trials["accelerator"] == _EMULATOR, "variant"].astype(str))
        families, shades = _families([known[name] for name in names])
        places = _places(names, families)
        hues = _assign(families, _KNOWN_COLOURS, _MORE_COLOURS)
        return cls(
            order=tuple(names),
            labels={name: variant_label(name, _EMULATOR if name in emulated else "none") for name in names},
            colours={name: darker(hues[name], _SHADES[shades[name] % len(_SHADES)]) for name in names},
            symbols=_turned(families, places, _KNOWN_SYMBOLS, _MORE_SYMBOLS),
            dashes=_turned(families, places, _KNOWN_DASHES, _MORE_DASHES),
            families=families,
        )

    def label(self, variant: str) -> str:
        return self.labels[variant]

    def tick(self, variant: str) -> str:
        """The label for an axis, in lines that leave room for the picture."""
        return wrapped(self.labels[variant])

    @property
    def crowded(self) -> bool:
        """Whether there are more variants than one picture can hold side by side."""
        return len(self.order) > MANY_VARIANTS

    def lines(self, names: Sequence[str]) -> int:
        """How many lines the tallest of these labels takes on an axis."""
        return max((self.tick(name).count("<br>") + 1 for name in names), default=1)

    def groups(self, names: Sequence[str]) -> list[tuple[str, list[str]]]:
        """Sets of variants that fit one picture, each with what they have in common; one set if all fit."""
        if len(names) <= MANY_VARIANTS:
            return [("", list(names))]
        found: dict[str, list[str]] = {}
        for name in names:
            found.setdefault(self.families[name].removesuffix(AA_SUFFIX), []).append(name)
        return [
            (family, members[i : i + MANY_VARIANTS])
            for family, members in found.items()
            for i in range(0, len(members), MANY_VARIANTS)
        ]

    def present(self, frame: pd.DataFrame) -> list[str]:
        """The variants of ``frame`` in the campaign's order."""
        there = set(frame["variant"].astype(str))
        return [name for name in self.order if name in there]


_PARTS = ("target", "proxy", "topology", "replicas", "cache_share")
_SHADES_ONLY = ("replicas", "cache_share")


class _Rank:
    """By topology in order of appearance, then process, container, VM, the others, then proxy, replicas, capacity.

    The second of an A/A pair comes right after the first.
    """

    def __init__(self, variants: Sequence[Variant]) -> None:
        self._variants = {variant.name: variant for variant in variants}
        self._topologies = list(dict.fromkeys(variant.topology for variant in variants))
        self._proxies = list(dict.fromkeys((DIRECT, *(variant.proxy for variant in variants))))

    def __call__(self, name: str) -> tuple[Any, ...]:
        one = self._variants[name]
        target = _KNOWN.index(one.target) if one.target in _KNOWN else len(_KNOWN)
        place = (self._topologies.index(one.topology), target, one.target, self._proxies.index(one.proxy))
        return (*place, one.replicas, one.cache_share or 0.0, name.removesuffix(AA_SUFFIX), name)


def _variants(trials: pd.DataFrame) -> Iterator[Variant]:
    """What a frame of trials tells of its variants; a frame without their parts names targets."""
    for row in rows(trials.drop_duplicates("variant")):
        name = str(row["variant"])
        yield Variant(
            name=name,
            workload=str(row.get("workload", "")),
            topology=str(row.get("topology", SINGLE)),
            target=str(row.get("target", name.removesuffix(AA_SUFFIX))),
            proxy=str(row.get("proxy", DIRECT)),
            replicas=int(row.get("replicas", 1)),
            cache_share=known(row.get("cache_share", math.nan)),
            aa=name.endswith(AA_SUFFIX),
        )


def _families(variants: Sequence[Variant]) -> tuple[dict[str, str], dict[str, int]]:
    """What gives each its hue, and which shade of it: what differs most visibly, and what else differs.

    The second of an A/A pair has a hue of its own.
    """
    values = {part: list(dict.fromkeys(getattr(one, part) for one in variants)) for part in _PARTS}
    varied = [part for part in _PARTS if len(values[part]) > 1]
    part = next((part for part in varied if part not in _SHADES_ONLY), "target")
    shade = next((other for other in ("topology", "proxy", *_SHADES_ONLY) if other in varied and other != part), None)
    return (
        {one.name: getattr(one, part) + (AA_SUFFIX if one.aa else "") for one in variants},
        {one.name: values[shade].index(getattr(one, shade)) if shade else 0 for one in variants},
    )


def _places(names: Sequence[str], families: Mapping[str, str]) -> dict[str, int]:
    """Each variant's place in its family."""
    seen: dict[str, int] = {}
    places = {}
    for name in names:
        places[name] = seen.get(families[name], 0)
        seen[families[name]] = places[name] + 1
    return places


def _assign(families: Mapping[str, str], known: Mapping[str, str], more: Sequence[str]) -> dict[str, str]:
    """The fixed one for a known target, so that reports look alike; the others in turn."""
    spare = itertools.cycle(more)
    found: dict[str, str] = {}
    for family in families.values():
        if family not in found:
            found[family] = known[family] if family in known else next(spare)
    return {name: found[family] for name, family in families.items()}


def _turned(
    families: Mapping[str, str], places: Mapping[str, int], known: Mapping[str, str], more: Sequence[str]
) -> dict[str, str]:
    """The family's own for its first variant, for the others the ones that follow it in the list of all."""
    everything = list(dict.fromkeys((*known.values(), *more)))
    first = _assign(families, known, more)
    return {name: everything[(everything.index(one) + places[name]) % len(everything)] for name, one in first.items()}
