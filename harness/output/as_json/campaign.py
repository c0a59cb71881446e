"""``tare show --json``: the campaign's summary as plain data. A contract: scripts depend on it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pandas as pd

from harness.analysis.answer import answer
from harness.analysis.claims import decide
from harness.analysis.formatting import number
from harness.analysis.selection import select
from harness.output.as_json.cdn import caches_json, policies_json, regions_json
from harness.output.as_json.sets import Json, events_json, instances_json, proxies_json
from harness.units import METRICS

if TYPE_CHECKING:
    from harness.analysis.campaign import Campaign
    from harness.records.variant import Variant


def show_json(campaign: Campaign) -> Json:
    """Everything that DESIGN's contract names, and more; JSON types only, null in place of NaN.

    ``variants`` has one entry per cell, each with a ``level`` (null before any measured attempt): ``trials`` (how many
    were tried), ``attempts``, ``valid`` (how many count), ``emulated``, ``metrics``: what was measured, and
    ``instances``: the medians of each (harness.output.as_json.sets says what ``proxies`` and ``events`` hold,
    harness.output.as_json.cdn what ``regions``, ``caches`` and ``policies`` do). A metric's
    ``low`` and ``high`` are null where there is one trial; its ``ratio`` is null for the baseline itself and where no
    block has a pair; ``ratio.n`` counts pairs. ``invalid`` and ``failed`` list every attempt that does not count, with
    the reason; ``noise_floor`` says whether there was an A/A pair.
    """
    manifest = campaign.manifest
    return {
        "campaign": manifest.campaign,
        "schema": manifest.schema_version,
        "path": str(campaign.path),
        "created_utc": manifest.created_utc,
        "tare": {"version": manifest.tare_version, "commit": manifest.tare_commit},
        "host": dataclasses.asdict(manifest.host),
        "experiment": campaign.experiment.model_dump(mode="json"),
        "question": campaign.experiment.question,
        "answer": answer(campaign),
        "baseline": campaign.experiment.baseline,
        "quick": manifest.quick,
        "seed": manifest.seed,
        "variants": [
            _cell(campaign, variant, level) for variant in manifest.variants for level in campaign.levels or (None,)
        ],
        "levels": None if campaign.rates is None else dataclasses.asdict(campaign.rates),
        "proxies": proxies_json(campaign),
        "events": events_json(campaign),
        "regions": regions_json(campaign),
        "caches": caches_json(campaign),
        "policies": policies_json(campaign),
        "claims": [dataclasses.asdict(result) for result in decide(campaign)],
        "invalid": _invalid(campaign),
        "failed": _failed(campaign),
        "unavailable": [dataclasses.asdict(entry) for entry in manifest.unavailable],
        "null": None if campaign.null is None else dataclasses.asdict(campaign.null),
        "noise_floor": "from the A/A pair" if any(variant.aa for variant in manifest.variants) else "no A/A pair",
    }


def _cell(campaign: Campaign, variant: Variant, level: str | None) -> Json:
    trials = campaign.trials
    mine = select(trials, kind="measured", variant=variant.name, level=level)
    return {
        "name": variant.name,
        "workload": variant.workload,
        "topology": variant.topology,
        "target": variant.target,
        "proxy": variant.proxy,
        "replicas": variant.replicas,
        "cache_share": variant.cache_share,
        "aa": variant.aa,
        "level": level,
        "accelerator": campaign.accelerator(variant.name),
        "emulated": campaign.is_emulated(variant.name),
        "artifact_digest": _artifact_digest(campaign, variant.name),
        "trials": int(mine["block"].nunique()),
        "attempts": len(mine),
        "valid": int(mine["counts"].sum()),
        "metrics": {} if level is None else _metrics(campaign, variant.name, level),
        "instances": [] if level is None else instances_json(campaign, variant.name, level),
    }


def _artifact_digest(campaign: Campaign, variant: str) -> str | None:
    """What this variant's attempts say they ran; before any the campaign's artifact, None if it has several."""
    own = [record.artifact_digest for record in campaign.records if record.variant.name == variant]
    if own:
        return own[-1]
    known = {entry.digest for name, entry in campaign.manifest.artifacts.items() if not name.startswith("proxy:")}
    return known.pop() if len(known) == 1 else None


def _metrics(campaign: Campaign, variant: str, level: str) -> Json:
    summaries = _rows(campaign.summaries, variant, level)
    ratios = _rows(campaign.comparisons, variant, level)
    found: Json = {}
    for name in METRICS:
        if name not in summaries:
            continue
        row = summaries[name]
        found[name] = {
            "median": number(row["median"]),
            "low": number(row["low"]),
            "high": number(row["high"]),
            "n": row["n"],
            "ratio": _ratio(ratios[name]) if name in ratios else None,
        }
    return found


def _ratio(row: Json) -> Json:
    return {
        "to": row["baseline"],
        "median": number(row["ratio"]),
        "low": number(row["low"]),
        "high": number(row["high"]),
        "n": row["n"],
        "cliffs_delta": number(row["cliffs_delta"]),
        "p_worse": number(row["p_worse"]),
        "noise_floor": number(row["noise_floor"]),
        "verdict": row["verdict"],
    }


def _rows(frame: pd.DataFrame, variant: str, level: str) -> dict[str, Json]:
    mine = select(frame, variant=variant, level=level)
    return {str(row["metric"]): {str(key): value for key, value in row.items()} for row in mine.to_dict("records")}


def _invalid(campaign: Campaign) -> list[Json]:
    trials = campaign.trials
    mine = trials[(trials["outcome"] == "ok") & ~trials["valid"]]
    return [
        {
            "trial": str(trial),
            "attempt": int(attempt),
            "variant": str(variant),
            "level": str(level),
            "reasons": [*reasons],
        }
        for trial, attempt, variant, level, reasons in zip(
            mine["trial"], mine["attempt"], mine["variant"], mine["level"], mine["reasons"], strict=True
        )
    ]


def _failed(campaign: Campaign) -> list[Json]:
    return [
        {
            "trial": record.trial,
            "attempt": record.attempt,
            "variant": record.variant.name,
            "level": record.level,
            "kind": record.failure.kind if record.failure is not None else "unknown",
            "what": record.failure.what if record.failure is not None else "unknown",
            "remedy": record.failure.remedy if record.failure is not None else "",
            "logs": record.failure.logs if record.failure is not None else "",
        }
        for record in campaign.records
        if record.outcome == "failed"
    ]
