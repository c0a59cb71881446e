"""Sections on what can be concluded: claims, comparisons, and the trials that failed or do not count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from harness.analysis.claims import decide
from harness.analysis.formatting import times
from harness.units import METRICS
from reports import charts
from reports.blocks import Block, Cell, Folded, Group, Section, Table, Text, draw
from reports.frames import Range, rows
from reports.labels import Look, variant_label
from reports.sentences import short
from reports.tables import LEFT_OUT, too_many_cells

if TYPE_CHECKING:
    from harness.analysis import Campaign

_LOG_TAIL = 6000
NONE = "none"
CHOSEN = ("startup_s", "memory_mib", "cpu_ms_per_request", "latency_p50_ms", "latency_p99_ms", "capacity_rps")
"""Of all metrics, those that are drawn where there are many variants."""
KEPT = ("hit_ratio",)
"""What else is compared in the table of a vast campaign."""

_COMPARISON = ("metric", "level", "variant", "ratio (interval)", "effect", "P(worse)", "floor", "n", "verdict")


def claims(campaign: Campaign) -> Section:
    table = Table(
        "What is said about deployment models, and what this campaign shows",
        ("claim", "verdict", "evidence", "decided by"),
        tuple(
            (
                Cell(found.claim, "head"),
                Cell(str(found.verdict), "verdict"),
                Cell(found.evidence),
                Cell(found.decided_by),
            )
            for found in decide(campaign)
        ),
        "No claim was tested.",
    )
    return Section("claims", "Claims", (table,))


def comparison(campaign: Campaign, look: Look) -> Section:
    frame = in_order(campaign.comparisons, look)
    vast = too_many_cells(campaign, look)
    if vast:
        frame = frame[frame["metric"].isin((*CHOSEN, *KEPT))].reset_index(drop=True)
    named = campaign.experiment.baseline
    baseline = look.labels.get(named, named)
    table = Table(
        f"Ratio to {baseline}, paired by block. Effect: Cliff's delta, -1 to 1. P(worse): how likely a trial of the "
        f"variant is worse than one of {baseline}. Floor: the factor by which the A/A pair may differ; a ratio "
        "within it is not resolved",
        _COMPARISON,
        tuple(_comparison_row(row, named, look) for row in rows(frame)),
        "Nothing was compared: a comparison needs valid trials of a variant and of the baseline.",
        folded=look.crowded,
    )
    legend = f"Ratio to {baseline}, with its interval. An open marker is not resolved, or has no interval."
    if look.crowded:
        names = [name for name in CHOSEN if name in set(frame["metric"])]
        drawn = tuple(draw(short(name), charts.ratio_rows, frame, name, look) for name in names)
        rest = f"Of the metrics those are compared that matter most. {LEFT_OUT}"
        about = Text(f"{legend} {rest if vast else 'The table below has every metric.'}")
        blocks: tuple[Block, ...] = (about, Group(drawn), table)
        return Section("comparison", "Comparison with the baseline", blocks)
    chart = draw(legend, charts.ratio_forest, frame, look)
    return Section("comparison", "Comparison with the baseline", (chart, table))


def in_order(comparisons: pd.DataFrame, look: Look) -> pd.DataFrame:
    """By metric as registered, then level, then variant."""
    metrics, variants = list(METRICS), list(look.order)
    levels = list(dict.fromkeys(comparisons["level"]))
    keys = pd.DataFrame(
        {
            "metric": [metrics.index(m) if m in metrics else len(metrics) for m in comparisons["metric"]],
            "level": [levels.index(level) for level in comparisons["level"]],
            "variant": [variants.index(v) for v in comparisons["variant"]],
        }
    )
    order = keys.sort_values(["metric", "level", "variant"], kind="stable").index
    return comparisons.iloc[order].reset_index(drop=True)


def _comparison_row(row: dict[str, Any], baseline: str, look: Look) -> tuple[Cell, ...]:
    def number(key: str, digits: int = 2) -> Cell:
        return Cell(NONE if pd.isna(row[key]) else f"{row[key]:.{digits}f}", "number")

    named = str(row["baseline"])
    against = "" if named == baseline else f" against {look.labels.get(named, named)}"
    ratio = Range.of(row, "ratio") if pd.notna(row["ratio"]) else None
    if ratio is None:
        text = NONE
    elif ratio.low is None or ratio.high is None:
        text = f"{times(ratio.median)} (no interval)"
    else:
        text = f"{times(ratio.median)} ({times(ratio.low)} to {times(ratio.high)})"
    return (
        Cell(short(str(row["metric"])), "head"),
        Cell(str(row["level"])),
        Cell(look.label(str(row["variant"])) + against),
        Cell(text, "figure"),
        number("cliffs_delta"),
        number("p_worse"),
        number("noise_floor"),
        Cell(str(row["n"]), "number"),
        Cell(str(row["verdict"]), "verdict"),
    )


def unavailable(campaign: Campaign) -> Section:
    table = Table(
        "Targets that the experiment names and this host could not run",
        ("target", "reason", "to fix it"),
        tuple(
            (Cell(item.target, "head"), Cell(item.reason), Cell(item.fix, "code"))
            for item in campaign.manifest.unavailable
        ),
        "None: every target that the experiment names was usable on this host.",
    )
    return Section("unavailable", "Unavailable targets", (table,))


def failed(campaign: Campaign) -> Section:
    """Every attempt that does not count, with the reason; failed ones with the end of the log."""
    attempts = list(zip(campaign.records, rows(campaign.trials), strict=True))
    bad = [(record, row) for record, row in attempts if not row["valid"]]
    table = Table(
        "Attempts that failed or are invalid. They are kept, and left out of every figure above",
        ("trial", "variant", "level", "block", "attempt", "outcome", "reasons"),
        tuple(
            (
                Cell(record.trial, "head"),
                Cell(variant_label(record.variant.name, record.accelerator)),
                Cell(record.level),
                Cell(str(record.block), "number"),
                Cell(str(record.attempt), "number"),
                Cell("failed" if record.outcome == "failed" else "invalid", "verdict"),
                Cell("; ".join([*([record.failure.what] if record.failure else []), *row["reasons"]])),
            )
            for record, row in bad
        ),
        f"None: all {len(attempts)} attempts are valid." if attempts else "No trial was attempted.",
    )
    blocks: list[Block] = [table]
    for record, _ in bad:
        if record.failure is not None:
            name = variant_label(record.variant.name, record.accelerator)
            logs = record.failure.logs
            cut = "" if len(logs) <= _LOG_TAIL else f"[the last {_LOG_TAIL:,} of {len(logs):,} characters]\n"
            blocks.append(
                Folded(
                    f"{record.trial}, attempt {record.attempt}: {name}: {record.failure.kind}",
                    (record.failure.what, f"What to do: {record.failure.remedy}"),
                    cut + logs[-_LOG_TAIL:] if logs else "It left no log.",
                )
            )
    return Section("failed", "Invalid and failed trials", tuple(blocks))
