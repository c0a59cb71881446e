"""The section on eviction policies: real caches against simulated ones. None where no sequence was replayed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from harness.analysis.caches import POINTS
from harness.analysis.claims.policies import size_text
from harness.analysis.formatting import percents_or_dash, points_text
from harness.analysis.intervals import Estimate, known
from harness.analysis.selection import select
from reports import charts
from reports.blocks import Block, Cell, Group, Heading, Section, Table, Text, draw
from reports.frames import rows
from reports.labels import MANY_VARIANTS, Look

if TYPE_CHECKING:
    from harness.analysis import Campaign


def policies(campaign: Campaign, look: Look) -> Section | None:
    """Per sequence: hit ratios with the simulated ones beside them, and the curves of all simulated policies."""
    frame = campaign.policies
    if frame.empty and campaign.simulated.empty:
        return None
    blocks: list[Block] = [_about(campaign)]
    simulation = campaign.simulation
    if simulation is None or simulation.why_not:
        why = (
            "nothing was simulated." if simulation is None else f"{simulation.why_not}. To get it: {simulation.remedy}"
        )
        blocks.append(Text(f"There are no simulated ratios: {why}", "empty"))
    sequences = dict.fromkeys([*frame["level"], *campaign.simulated["sequence"]])
    for name in sequences:
        own = select(frame, level=name)
        blocks.append(Heading(f"Sequence {name}"))
        blocks.append(
            draw(
                "Hit ratio by requests: filled, the real cache (median of the trials, interval); open diamond, the "
                "simulation of its policy at its effective capacity.",
                charts.real_against_simulated,
                own,
                look,
            )
        )
        blocks += _curves(campaign, str(name), own)
    blocks.append(_table(frame, look))
    if simulation is not None and simulation.notes:
        blocks += [Text(note) for note in simulation.notes]
    return Section("policies", "Eviction policies", tuple(blocks))


def _about(campaign: Campaign) -> Text:
    replay = campaign.experiment.load.replay
    how = ""
    if replay is not None:
        how = (
            f"Each sequence is replayed: {replay.requests:,} requests in order on {replay.users} "
            f"connection{'s' * (replay.users != 1)}, of which the first {replay.warmup:,} fill the cache and do not "
            "count. "
        )
    counted = campaign.counted_records
    if paced := sorted({made.variant.proxy for made in counted if made.replay and made.replay.miss_bytes_per_s}):
        how += (
            f"Paced, because they make room only now and then: {', '.join(paced)}; there the next request waits after "
            "a miss, until the misses are few beside the capacity. "
        )
    limits = ", ".join(f"{kind} {policy.upper()} {points:g}" for (kind, policy), points in POINTS.items())
    return Text(
        f"{how}Simulated caches meet the same requests and leave out the same ones; a real cache's effective capacity "
        "is what it really holds, less its own overhead for each object, as measured once for that cache. So many "
        f"percentage points may lie between both, by the claim's rule: {limits}. The other caches are shown and decide "
        "nothing: nginx evicts in passes of a process of its own, Traffic Server's CLFUS has no simulation."
    )


def _curves(campaign: Campaign, sequence: str, real: pd.DataFrame) -> list[Block]:
    simulation, frame = campaign.simulation, campaign.simulated
    if simulation is None or not simulation.catalogue_bytes:
        return []
    own = frame[(frame["sequence"] == sequence) & ~frame["matched"]]
    whole = simulation.catalogue_bytes
    curves = pd.DataFrame(
        {
            "policy": own["policy"],
            "size": [
                size_text(share, size) for share, size in zip(own["cache_share"], own["effective_bytes"], strict=True)
            ],
            "cache_bytes": own["effective_bytes"].astype("int64"),
            "cache_share": own["effective_bytes"] / whole,
            "miss_ratio": 1 - own["hit_ratio"],
            "byte_miss_ratio": 1 - own["byte_hit_ratio"],
        }
    )
    dots = pd.DataFrame(
        {
            "policy": real["kind"] + " " + real["policy"].str.upper(),
            "cache_bytes": real["effective_bytes"],
            "cache_share": real["effective_bytes"] / whole,
            "miss_ratio": 1 - real["hit_ratio"],
            "byte_miss_ratio": 1 - real["byte_hit_ratio"],
        }
    ).dropna(subset=["cache_share"])
    return [
        Group(
            (
                draw(
                    "Misses by requests, simulated. Open circles: real caches at their effective capacity.",
                    charts.miss_ratio_chart,
                    curves,
                    "miss_ratio",
                    dots,
                    "the catalogue",
                ),
                draw(
                    "Misses by bytes, likewise.",
                    charts.miss_ratio_chart,
                    curves,
                    "byte_miss_ratio",
                    dots,
                    "the catalogue",
                ),
            )
        )
    ]


def _table(frame: pd.DataFrame, look: Look) -> Table:
    several = frame["level"].nunique() > 1
    ordered = [row for name in look.present(frame) for row in rows(select(frame, variant=name))]
    return Table(
        "Hit ratios against simulation: real (interval), simulated at the same effective capacity, and the difference "
        "in percentage points (interval); by requests, then by bytes",
        ("variant", "simulated as", "real", "simulated", "points", "allowed", "real, bytes", "points, bytes", "trials"),
        tuple(_row(row, several, look) for row in ordered),
        "No valid trial replayed a sequence through one cache.",
        folded=len(ordered) > 4 * MANY_VARIANTS,
    )


def _row(row: dict[str, Any], several: bool, look: Look) -> tuple[Cell, ...]:
    label = look.label(row["variant"])
    return (
        Cell(f"{label}, {row['level']}" if several else label, "head"),
        Cell(row["simulated_policy"] or "none"),
        Cell(percents_or_dash(_estimate(row, "hit_ratio")), "figure"),
        Cell("-" if pd.isna(row["simulated"]) else f"{100 * row['simulated']:.2f} %", "number"),
        Cell("-" if pd.isna(row["points"]) else points_text(_estimate(row, "points")), "figure"),
        Cell("-" if pd.isna(row["limit_points"]) else f"{row['limit_points']:g}", "number"),
        Cell("-" if pd.isna(row["byte_hit_ratio"]) else percents_or_dash(_estimate(row, "byte_hit_ratio")), "figure"),
        Cell("-" if pd.isna(row["byte_points"]) else points_text(_estimate(row, "byte_points")), "figure"),
        Cell(str(row["n"]), "number"),
    )


def _estimate(row: dict[str, Any], name: str) -> Estimate:
    return Estimate(row[name], known(row[f"{name}_low"]), known(row[f"{name}_high"]), int(row["n"]))
