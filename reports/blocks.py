"""What a section of the report is made of. Plain data: the template turns it into HTML and escapes every text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ParamSpec

import plotly.graph_objects as go
from plotly.io.json import to_json_plotly

from reports.charts.style import NothingToDraw

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Cell:
    """A table's cell. ``kind``: ``""``, ``number`` (set right), ``code``, ``verdict`` or ``head`` (the row's name)."""

    text: str
    kind: str = ""

    @property
    def slug(self) -> str:
        """For a style class, from the text of a verdict: ``not resolved`` is ``not-resolved``."""
        return "".join(c if c.isalnum() else "-" for c in self.text.lower())


@dataclass(frozen=True, slots=True)
class Table:
    """A table. ``empty`` is the sentence printed in its place when it has no rows.

    ``folded``: opens on demand, because a chart above it shows the same figures.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    empty: str = "Nothing to list."
    folded: bool = False
    block: str = field(default="table", init=False)


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart with its caption; where there is nothing to draw, ``why`` says so and ``figure`` is None."""

    caption: str
    figure: go.Figure | None
    why: str = ""
    block: str = field(default="chart", init=False)

    @property
    def json(self) -> str:
        """The figure as JSON that can stand inside a script element, without the template that all figures share."""
        if self.figure is None:
            raise ValueError("a chart without a figure has no JSON")
        bare = _rounded(self.figure.to_dict())
        bare["layout"].pop("template", None)
        return inert(to_json_plotly(bare))

    @property
    def height(self) -> int:
        return 0 if self.figure is None else int(self.figure.layout.height)


@dataclass(frozen=True, slots=True)
class Group:
    """Charts side by side where the page is wide enough."""

    charts: tuple[Chart, ...]
    block: str = field(default="group", init=False)


@dataclass(frozen=True, slots=True)
class Folded:
    """Text that opens on demand, such as the tail of a log."""

    summary: str
    lines: tuple[str, ...]
    text: str
    block: str = field(default="folded", init=False)


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading inside a section."""

    text: str
    block: str = field(default="heading", init=False)


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph; ``kind`` ``finding`` stands out."""

    text: str
    kind: str = ""
    block: str = field(default="text", init=False)


@dataclass(frozen=True, slots=True)
class Prose:
    """Text that is the same in every report: a template of its own."""

    template: str
    block: str = field(default="prose", init=False)


Block = Table | Chart | Group | Folded | Heading | Text | Prose


@dataclass(frozen=True, slots=True)
class Section:
    """A section with its anchor."""

    id: str
    title: str
    blocks: tuple[Block, ...]


def inert(json: str) -> str:
    """JSON that cannot end the script element that it stands in."""
    return json.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _rounded(value: Any) -> Any:
    """Six significant digits are more than a picture shows, and keep the file small."""
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(part) for part in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def draw(caption: str, make: Callable[P, go.Figure], *args: P.args, **kwargs: P.kwargs) -> Chart:
    """A chart, or in its place the sentence that says why there is none."""
    try:
        return Chart(caption=caption, figure=make(*args, **kwargs))
    except NothingToDraw as nothing:
        return Chart(caption=caption, figure=None, why=str(nothing))


def sentence_list(parts: Sequence[str]) -> str:
    """``a``, ``a; and b``, ``a; b; and c``: the parts hold commas of their own."""
    return parts[0] if len(parts) == 1 else f"{'; '.join(parts[:-1])}; and {parts[-1]}"
