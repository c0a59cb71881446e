"""``tare show``: the campaign's summary as tables for a terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from harness.analysis.claims import decide
from harness.analysis.formatting import factor, figure
from harness.analysis.intervals import Estimate
from harness.analysis.selection import select
from harness.output.terminal.cdn import cdn_tables
from harness.output.terminal.sets import set_tables
from harness.output.terminal.table import text_table
from harness.units import METRICS

if TYPE_CHECKING:
    from harness.analysis.campaign import Campaign

SHOWN = (
    "startup_s",
    "memory_mib",
    "memory_load_mib",
    "cpu_ms_per_request",
    "latency_p50_ms",
    "latency_p99_ms",
    "achieved_rps",
    "capacity_rps",
    "footprint_mib",
)
"""Of all metrics, those that fit a terminal; ``tare show --json`` and the report hold the rest."""

MANY_VARIANTS = 3
"""From more than so many on, each figure has a line of its own: so many columns fit no terminal."""

_STYLES = {"supported": "green", "refuted": "red", "not resolved": "yellow", "emulated only": "yellow"}


def show_tables(campaign: Campaign) -> list[Table]:
    """Claims, then the figures of each load level, sets, what does not count. Tables without rows are left out."""
    tables = [_claims(campaign), *(_figures(campaign, level) for level in campaign.levels), *set_tables(campaign)]
    tables += cdn_tables(campaign)
    tables += [_trials(campaign), _not_counted(campaign), _unavailable(campaign)]
    return [table for table in tables if table.row_count]


def _claims(campaign: Campaign) -> Table:
    table = text_table("Claims", "claim", "verdict", "evidence")
    for result in decide(campaign):
        table.add_row(
            Text(result.claim), Text(result.verdict, style=_STYLES.get(result.verdict, "")), Text(result.evidence)
        )
    return table


def _figures(campaign: Campaign, level: str) -> Table:
    rows = select(campaign.summaries, level=level)
    variants = [variant.name for variant in campaign.manifest.variants if variant.name in set(rows["variant"])]
    labels = [Text(campaign.label(variant)) for variant in variants]
    title = f"Figures at {level} (95 % intervals; ratio to {campaign.experiment.baseline})"
    metrics = [metric for metric in SHOWN if metric in set(rows["metric"])]
    if len(variants) > MANY_VARIANTS:
        table = text_table(title, "variant", "figure", "value", "ratio")
        for variant, label in zip(variants, labels, strict=True):
            for number, name in enumerate(metrics):
                head = METRICS[name].title.partition(" (")[0]
                value, ratio = _entry(campaign, variant, level, name)
                table.add_row(label if number == 0 else "", head, Text(value), Text(ratio))
            table.add_section()
        return table
    table = text_table(title, "figure")
    for label in labels:
        table.add_column(label)
    for name in metrics:
        entries = (_entry(campaign, variant, level, name) for variant in variants)
        table.add_row(Text(METRICS[name].title), *(Text("\n".join(filter(None, entry))) for entry in entries))
    return table


def _entry(campaign: Campaign, variant: str, level: str, metric: str) -> tuple[str, str]:
    """The figure and its ratio; a ratio to another variant than the baseline says so."""
    summary = _only(campaign, "summaries", variant, level, metric)
    if summary is None:
        return "-", ""
    value = figure(METRICS[metric], _estimate(summary, "median"))
    found = _only(campaign, "comparisons", variant, level, metric)
    if found is None:
        return value, ""
    ratio = factor(_estimate(found, "ratio"), str(found["verdict"]))
    other = "" if found["baseline"] == campaign.experiment.baseline else f" (to {found['baseline']})"
    return value, ratio + other


def _trials(campaign: Campaign) -> Table:
    table = text_table("Trials", "variant", "level", "tried", "valid", "attempts")
    measured = select(campaign.trials, kind="measured")
    for variant in campaign.manifest.variants:
        for level in campaign.levels:
            mine = select(measured, variant=variant.name, level=level)
            counts = (mine["block"].nunique(), int(mine["counts"].sum()), len(mine))
            table.add_row(Text(campaign.label(variant.name)), Text(level), *(str(count) for count in counts))
    return table


def _not_counted(campaign: Campaign) -> Table:
    table = text_table("Invalid and failed attempts", "trial", "attempt", "what", "why")
    for record, reasons in zip(campaign.records, campaign.trials["reasons"], strict=True):
        if record.outcome == "failed":
            what = record.failure.what if record.failure is not None else "unknown"
            table.add_row(record.trial, str(record.attempt), "failed", Text(what))
        elif reasons:
            table.add_row(record.trial, str(record.attempt), "invalid", Text("; ".join(reasons)))
    return table


def _unavailable(campaign: Campaign) -> Table:
    table = text_table("Unavailable on this host", "target", "reason", "fix")
    for entry in campaign.manifest.unavailable:
        table.add_row(entry.target, Text(entry.reason), Text(entry.fix))
    return table


def _only(campaign: Campaign, which: str, variant: str, level: str, metric: str) -> dict[str, object] | None:
    frame = campaign.summaries if which == "summaries" else campaign.comparisons
    found = select(frame, variant=variant, level=level, metric=metric)
    rows = [{str(key): value for key, value in row.items()} for row in found.to_dict("records")]
    return rows[0] if rows else None


def _estimate(row: dict[str, object], point: str) -> Estimate:
    def end(name: str) -> float | None:
        value = row[name]
        return None if not isinstance(value, float) or math.isnan(value) else value

    return Estimate(end(point) or 0.0, end("low"), end("high"), int(str(row["n"])))
