"""The experiment's question, answered in one sentence from the figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.analysis.answer_cdn import cdn_answer
from harness.analysis.comparisons import compare_variants, noise_floor, pooled_figure
from harness.analysis.formatting import factor, figure, listed
from harness.units import METRICS

if TYPE_CHECKING:
    from harness.analysis.campaign import Campaign

MANY_OTHERS = 5
"""From more than so many on, the sentence tells of the ends alone."""

_SUBJECTS = {
    "startup_s": "startup time",
    "memory_mib": "memory",
    "cpu_ms_per_request": "CPU time per request",
    "latency_p99_ms": "99th-percentile latency",
    "latency_p50_ms": "median latency",
}


def answer(campaign: Campaign) -> str:
    """One sentence: every variant against the baseline in startup, memory, CPU and latency, with intervals.

    It says *emulated* of an emulated VM and *not resolved* where the interval or the noise floor leaves it open. Levels
    of load are taken together (averaged within a block). Of regions and of replayed sequences it begins with sentences
    on what those are about (harness.analysis.answer_cdn).
    """
    return " ".join([*cdn_answer(campaign), _costs(campaign)])


def _costs(campaign: Campaign) -> str:
    cells = campaign.counted
    measured = [variant for variant in campaign.manifest.variants if variant.name in set(cells["variant"])]
    if not measured:
        return "No trial was valid, so the question is not answered."
    baseline = campaign.experiment.baseline
    others = [variant for variant in measured if not variant.aa and variant.name != baseline]
    if baseline not in {variant.name for variant in measured} or not others:
        clauses = [_alone(campaign, variant.name) for variant in measured if not variant.aa]
        return "; ".join([*clauses, "there is nothing to compare."]) if clauses else "There is nothing to compare yet."
    if len(others) > MANY_OTHERS:
        return f"Against the {campaign.label(baseline)}, {_ranges(campaign, [v.name for v in others], baseline)}."
    clauses = [_against(campaign, variant.name, baseline) for variant in others]
    return f"Against the {campaign.label(baseline)}, " + "; ".join(clauses) + "."


def _ranges(campaign: Campaign, variants: list[str], baseline: str) -> str:
    """Of many variants, each subject's smallest and largest ratio, and whose it is."""
    cells = campaign.counted
    parts = []
    for name in _chosen(campaign, (*variants, baseline)):
        floor = noise_floor(cells, campaign.manifest.variants, name)
        found = [(variant, compare_variants(cells, variant, baseline, name, floor)) for variant in variants]
        ranked = sorted(
            ((variant, entry) for variant, entry in found if entry is not None),
            key=lambda pair: pair[1].estimate.median,
        )
        if len(ranked) > 1:
            ends = [
                f"{factor(entry.estimate, entry.verdict)} ({campaign.label(variant)})"
                for variant, entry in (ranked[0], ranked[-1])
            ]
            parts.append(f"from {ends[0]} to {ends[1]} the {_SUBJECTS[name]}")
    if not parts:
        return "no variant has a figure of the same block to compare"
    return f"{len(variants)} variants take {'; '.join(parts)}"


def _chosen(campaign: Campaign, variants: tuple[str, ...]) -> list[str]:
    cells = campaign.counted

    def known(metric: str) -> bool:
        return all(cells.loc[cells["variant"] == variant, metric].notna().any() for variant in variants)

    first = [name for name in ("startup_s", "memory_mib", "cpu_ms_per_request") if known(name)]
    return first + [name for name in ("latency_p99_ms", "latency_p50_ms") if known(name)][:1]


def _against(campaign: Campaign, variant: str, baseline: str) -> str:
    cells = campaign.counted
    parts = []
    for name in _chosen(campaign, (variant, baseline)):
        floor = noise_floor(cells, campaign.manifest.variants, name)
        found = compare_variants(cells, variant, baseline, name, floor)
        if found is None:
            continue
        parts.append(f"{factor(found.estimate, found.verdict)} the {_SUBJECTS[name]}")
    if not parts:
        return f"the {campaign.label(variant)} has no figure of the same block to compare"
    return f"the {campaign.label(variant)} takes {listed(parts)}"


def _alone(campaign: Campaign, variant: str) -> str:
    parts = []
    for name in _chosen(campaign, (variant,)):
        found = pooled_figure(campaign.counted, variant, name)
        if found is not None:
            parts.append(f"{_SUBJECTS[name]} {figure(METRICS[name], found)}")
    return f"{campaign.label(variant)} alone: {', '.join(parts) or 'no figure'}"
