"""What sections share: the sentences on a metric, and the table of figures by variant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.units import METRICS
from reports.blocks import Block, Cell, Table, Text
from reports.frames import Range, rows
from reports.labels import MANY_VARIANTS, Look
from reports.sentences import finding, interval_text, short

if TYPE_CHECKING:
    from harness.analysis import Campaign

VAST = 20
LEFT_OUT = "`tare show --json` and the frames of the campaign have all of it; a file of 6 MB has not the room."


def too_many_cells(campaign: Campaign, look: Look) -> bool:
    """Whether there are so many cells (variants at load levels) that the report keeps to what matters most.

    48 of them fit 6 MB that way, of which plotly's own code takes 4.8.
    """
    return len(look.order) * max(1, len(campaign.levels)) > VAST


def findings(campaign: Campaign, look: Look, *names: str) -> list[Block]:
    """The sentences on some metrics: their figures, and their ratios to the baseline."""
    baseline = campaign.experiment.baseline
    return [
        Text(text, "finding")
        for name in names
        for text in finding(campaign.summaries, campaign.comparisons, name, baseline, look)
    ]


def figures(campaign: Campaign, look: Look, caption: str, names: Sequence[str]) -> Table:
    """A row per metric and load level, a column per variant: median, and interval with the number of trials.

    With many variants it is turned: a row per variant and load level, a column per metric.
    """
    frame = campaign.summaries
    frame = frame[frame["metric"].isin(names) & frame["median"].notna()]
    variants = look.present(frame)
    by_key = {(str(row["metric"]), str(row["level"]), str(row["variant"])): row for row in rows(frame)}
    if len(variants) > MANY_VARIANTS:
        return _turned(by_key, variants, look, caption, names)
    listed = []
    for name in names:
        levels = list(dict.fromkeys(level for metric, level, _ in by_key if metric == name))
        for level in levels:
            where = f", {level}" if len(levels) > 1 else ""
            head = Cell(f"{METRICS[name].title}{where}, {METRICS[name].unit}", "head")
            listed.append((head, *(_figure(by_key.get((name, level, variant)), name) for variant in variants)))
    columns = ("metric", *(look.label(variant) for variant in variants))
    return Table(
        f"{caption}: median (interval; number of trials)", columns, tuple(listed), "No valid trial measured it."
    )


def _turned(
    by_key: dict[tuple[str, str, str], dict[str, Any]],
    variants: Sequence[str],
    look: Look,
    caption: str,
    names: Sequence[str],
) -> Table:
    there = [name for name in names if any(metric == name for metric, _, _ in by_key)]
    levels = list(dict.fromkeys(level for _, level, _ in by_key))
    listed = [
        (
            Cell(look.label(variant) + (f", {level}" if len(levels) > 1 else ""), "head"),
            *(_figure(by_key.get((name, level, variant)), name) for name in there),
        )
        for variant in variants
        for level in levels
    ]
    columns = ("variant", *(f"{short(name)}, {METRICS[name].unit}" for name in there))
    return Table(f"{caption}: median (interval; number of trials)", columns, tuple(listed))


def _figure(row: dict[str, Any] | None, name: str) -> Cell:
    if row is None:
        return Cell("not measured")
    total = Range.of(row)
    return Cell(
        f"{total.median:,.{METRICS[name].digits}f} ({interval_text(total, METRICS[name])}; {total.n})", "figure"
    )
