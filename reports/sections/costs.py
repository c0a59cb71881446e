"""Sections on what a variant costs: startup, memory, CPU, footprint, capacity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from harness.analysis.selection import select
from harness.units import METRICS, mib
from reports import charts
from reports.blocks import Cell, Chart, Group, Section, Table, Text, draw
from reports.frames import rows
from reports.labels import Look
from reports.tables import LEFT_OUT, figures, findings, too_many_cells

if TYPE_CHECKING:
    from harness.analysis import Campaign

VALID_ONLY = (
    "Dots are trials, a dark tick is the median, a band its interval; crosses are trials that are left out. "
    "A band that reaches the edge goes on beyond it."
)


def startup(campaign: Campaign, look: Look) -> Section:
    blocks = findings(campaign, look, "startup_s")
    blocks.append(_dots(campaign, look, "startup_s") if too_many_cells(campaign, look) else _phases(campaign, look))
    timelines = tuple(
        draw(
            f"{look.label(name)}: phases on a scale of their own",
            charts.startup_timeline,
            campaign.phases,
            name,
            look,
        )
        for name in look.present(campaign.phases)
    )
    if timelines and not too_many_cells(campaign, look):
        blocks.append(Group(timelines))
    blocks.append(figures(campaign, look, "Startup", ("startup_s",)))
    blocks.append(_phase_table(campaign, look))
    return Section("startup", "Startup", tuple(blocks))


def _phases(campaign: Campaign, look: Look) -> Chart:
    return draw(
        "Startup by phase, one scale. A bar's borders are the median moments at which each phase was reached; the "
        "dark tick is the median total, its whisker the interval; each marker below the bar is one trial.",
        charts.startup_phases,
        campaign.phases,
        campaign.trials,
        campaign.summaries,
        look,
    )


def _dots(campaign: Campaign, look: Look, name: str) -> Chart:
    about = f"{METRICS[name].title}. {VALID_ONLY}"
    return draw(about, charts.metric_dots, campaign.trials, campaign.summaries, name, look)


def _phase_table(campaign: Campaign, look: Look) -> Table:
    ends = charts.phase_ends(campaign.phases)
    return Table(
        "Phases: median moments since the trigger",
        ("variant", "phase", "reached after, s", "length, s", "trials"),
        tuple(
            (
                Cell(look.label(str(row["variant"])), "head"),
                Cell(str(row["phase"]).replace("_", " ")),
                Cell(f"{row['end_s']:,.4f}", "number"),
                Cell(f"{row['duration_s']:,.4f}", "number"),
                Cell(str(row["n"]), "number"),
            )
            for name in look.present(ends)
            for row in rows(select(ends, variant=name))
        ),
        "No valid trial reached a first correct response, so there are no phases.",
        folded=True,
    )


def cpu(campaign: Campaign, look: Look) -> Section:
    return _one_metric(campaign, look, "cpu", "CPU per request", "cpu_ms_per_request")


def capacity(campaign: Campaign, look: Look) -> Section | None:
    """None where the experiment looked for no capacity."""
    if "capacity_rps" not in campaign.trials or campaign.trials["capacity_rps"].notna().sum() == 0:
        return None
    return _one_metric(campaign, look, "capacity", "Capacity", "capacity_rps")


def _one_metric(campaign: Campaign, look: Look, anchor: str, title: str, name: str) -> Section:
    table = figures(campaign, look, title, (name,))
    return Section(anchor, title, (*findings(campaign, look, name), _dots(campaign, look, name), table))


def footprint_parts(campaign: Campaign) -> pd.DataFrame:
    """``variant``, ``row``, ``part``, ``mib``: what each variant's packaging occupies on disk, from any trial of it."""
    parts: dict[tuple[str, str], float] = {}
    for record in campaign.records:
        if record.kind == "measured":
            parts.update({(record.variant.name, part): mib(size) for part, size in record.footprint.parts.items()})
    table = [(variant, "", part, size) for (variant, part), size in parts.items()]
    return pd.DataFrame(table, columns=["variant", "row", "part", "mib"])


def footprint(campaign: Campaign, look: Look) -> Section:
    parts = footprint_parts(campaign)
    table = Table(
        "Footprint on disk by part",
        ("variant", "part", "MiB"),
        tuple(
            (
                Cell(look.label(str(row["variant"])), "head"),
                Cell(str(row["part"])),
                Cell(f"{row['mib']:,.1f}", "number"),
            )
            for name in look.present(parts)
            for row in rows(select(parts, variant=name))
        ),
        "No trial recorded a footprint.",
        folded=True,
    )
    chart = draw(
        "What each packaging occupies on disk, by part. Parts that several workloads share (a base image, a guest "
        "disk) count in full.",
        charts.stacked_parts,
        parts,
        look,
        title="MiB on disk",
    )
    return Section("footprint", "Footprint on disk", (*findings(campaign, look, "footprint_mib"), chart, table))


def strips(campaign: Campaign, look: Look) -> Section:
    """Every metric, every trial; of a vast campaign some metrics that have no such chart elsewhere."""
    vast = too_many_cells(campaign, look)
    shown = (
        ("memory_mib", "latency_p50_ms", "latency_p99_ms")
        if vast
        else tuple(n for n in METRICS if n != "footprint_mib")
    )
    names = [n for n in shown if n in campaign.trials and campaign.trials[n].notna().any()]
    drawn = tuple(
        draw(METRICS[n].title, charts.metric_dots, campaign.trials, campaign.summaries, n, look) for n in names
    )
    if not drawn:
        return Section("trials", "Every trial", (Text("No trial measured anything, so there is nothing to draw."),))
    rest = f" Startup, CPU and hit ratios are drawn above, other metrics not at all. {LEFT_OUT}" if vast else ""
    return Section("trials", "Every trial", (Text(f"{VALID_ONLY} Hover for block and trial.{rest}"), Group(drawn)))
