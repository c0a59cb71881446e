"""How a variant is called and drawn, the same in every chart, table and sentence."""

from __future__ import annotations

import html
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

EMULATED = "emulated"
_EMULATOR = "tcg"

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


def clear(colour: str, alpha: float) -> str:
    """``colour`` (``#rrggbb``) as a translucent one."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


@dataclass(frozen=True, slots=True)
class Look:
    """The order, label, colour, marker and dash of each variant of a campaign."""

    order: tuple[str, ...]
    labels: Mapping[str, str]
    colours: Mapping[str, str]
    symbols: Mapping[str, str]
    dashes: Mapping[str, str]

    @classmethod
    def of(cls, trials: pd.DataFrame, variants: Sequence[str] = ()) -> Look:
        """From a campaign's trials; ``variants`` names those that must be there even without a trial.

        A variant that ran emulated in any attempt is labelled so: a mixture must not pass for the faster kind.
        """
        measured = trials[trials["kind"] != "null"]
        names = sorted({*measured["variant"].astype(str), *variants}, key=_rank)
        emulated = set(measured.loc[measured["accelerator"] == _EMULATOR, "variant"].astype(str))
        labels = {name: variant_label(name, _EMULATOR if name in emulated else "none") for name in names}
        return cls(
            order=tuple(names),
            labels=labels,
            colours=_assign(names, _KNOWN_COLOURS, _MORE_COLOURS),
            symbols=_assign(names, _KNOWN_SYMBOLS, _MORE_SYMBOLS),
            dashes=_assign(names, _KNOWN_DASHES, _MORE_DASHES),
        )

    def label(self, variant: str) -> str:
        return self.labels[variant]

    def present(self, frame: pd.DataFrame) -> list[str]:
        """The variants of ``frame`` in the campaign's order."""
        there = set(frame["variant"].astype(str))
        return [name for name in self.order if name in there]


def _rank(name: str) -> tuple[int, str]:
    """Process, container, VM, the others; the second of an A/A pair right after the first."""
    base = name.removesuffix("-aa")
    return (_KNOWN.index(base) if base in _KNOWN else len(_KNOWN), name)


def _assign(names: Sequence[str], known: Mapping[str, str], more: Sequence[str]) -> dict[str, str]:
    """The fixed one for a known target, so that reports look alike; the others in turn."""
    spare = itertools.cycle(more)
    return {name: known[name] if name in known else next(spare) for name in names}
