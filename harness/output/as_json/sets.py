"""``tare show --json``, on sets: instances, what proxies add and how they spread, and events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from harness.analysis.events import COUNTS, MOMENTS, down
from harness.analysis.formatting import number
from harness.analysis.instances import FIGURES
from harness.analysis.intervals import Estimate
from harness.analysis.selection import select
from harness.spec.proxy import DIRECT

if TYPE_CHECKING:
    from harness.analysis.campaign import Campaign

Json = dict[str, object]


def instances_json(campaign: Campaign, variant: str, level: str) -> list[Json]:
    """Each instance of one cell with the medians of its figures; null where none was measured."""
    frame = campaign.instances
    mine = select(frame, variant=variant, level=level)
    found: list[Json] = []
    for name, own in mine.groupby("instance", sort=False):
        # A mixture of trials must not pass for the faster kind.
        first, accelerators = own.iloc[0], set(own["accelerator"])
        found.append(
            {
                "name": str(name),
                "service": str(first["service"]),
                "role": str(first["role"]),
                "target": str(first["target"]),
                "accelerator": next((kind for kind in ("tcg", "kvm") if kind in accelerators), "none"),
                "trials": len(own),
                "metrics": {figure: number(float(own[figure].median())) for figure in FIGURES},
            }
        )
    return found


def proxies_json(campaign: Campaign) -> list[Json]:
    """Each variant with a proxy, at each level: the latency that it adds (null without a direct variant), the shares.

    ``added`` is by latency: ``median`` is the mean of the blocks' differences, in milliseconds. ``served``: the
    smallest and the largest share of a service's requests that one of its replicas got in a trial, and each trial's.
    """
    found: list[Json] = []
    for variant in campaign.manifest.variants:
        if variant.proxy == DIRECT or variant.aa:
            continue
        spec = campaign.experiment.proxy(variant.proxy)
        for level in campaign.levels:
            added = campaign.proxies
            mine = select(added, variant=variant.name, level=level)
            found.append(
                {
                    "variant": variant.name,
                    "proxy": variant.proxy,
                    "kind": spec.kind if spec is not None else variant.proxy,
                    "replicas": variant.replicas,
                    "level": level,
                    "emulated": campaign.is_emulated(variant.name),
                    "direct": None if mine.empty else str(mine.iloc[0]["direct"]),
                    "added": {str(row["metric"]): _added(row) for row in mine.to_dict("records")} or None,
                    "served": _served(campaign.served, variant.name, level),
                }
            )
    return found


def events_json(campaign: Campaign) -> list[Json]:
    """Each event of each variant: medians over the trials that count. ``down_s`` is null where none recovered."""
    found: list[Json] = []
    for (variant, level, position), own in campaign.events.groupby(["variant", "level", "number"], sort=False):
        first = own.iloc[0]
        found.append(
            {
                "variant": str(variant),
                "level": str(level),
                "number": int(str(position)),
                "kind": str(first["kind"]),
                "service": str(first["service"]),
                "instance": str(first["instance"]),
                "emulated": campaign.is_emulated(str(variant)),
                "trials": len(own),
                "recovered": int(own["recovered"].sum()),
                "down_s": estimate_json(down(own)),
                **{moment: {name: float(own[f"{name}_{moment}"].median()) for name in COUNTS} for moment in MOMENTS},
                "notes": sorted({str(note) for note in own["note"] if note}),
            }
        )
    return found


def estimate_json(found: Estimate | None) -> Json | None:
    """An estimate as plain data."""
    if found is None:
        return None
    return {"median": found.median, "low": found.low, "high": found.high, "n": found.n}


def _added(row: dict[object, object]) -> Json:
    return {
        "median": number(row["added_ms"]),
        "low": number(row["low"]),
        "high": number(row["high"]),
        "n": row["n"],
        "verdict": row["verdict"],
    }


def _served(served: pd.DataFrame, variant: str, level: str) -> Json | None:
    mine = select(served, variant=variant, level=level)
    if mine.empty:
        return None
    trials = [
        {
            "trial": str(trial),
            "shares": {str(name): float(share) for name, share in zip(own["instance"], own["share"], strict=True)},
        }
        for trial, own in mine.groupby("trial", sort=False)
    ]
    return {"min_share": float(mine["share"].min()), "max_share": float(mine["share"].max()), "trials": trials}
