"""Claim *orchestration*."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from harness.analysis.claims.base import Claim, Figure, Finding, Verdict, missing
from harness.analysis.claims.functions import brief, spec_of
from harness.analysis.events import down
from harness.analysis.formatting import figure, sentence
from harness.analysis.selection import select
from harness.units import DOWN

if TYPE_CHECKING:
    from harness.analysis.campaign import Campaign
    from harness.records.variant import Variant

_DONE = {"kill": "{} was healed", "scale": "{} was scaled", "replace": "{} was replaced", "restart": "{} was restarted"}
_VERDICTS = {"always": "supported", "sometimes": "not resolved", "never": "refuted"}
_DECIDING = ("kill", "scale")


def check(campaign: Campaign) -> Finding:
    """On an orchestrated target a killed replica comes back, and as many replicas as asked for answer, by themselves.

    Supported: every kill and every scale (and every replace, where there is one) ended in a correct response while it
    was watched, in every trial that counts; both kinds are needed. Refuted: one of them never did, in no trial. Between
    the two it is not resolved. How long it takes and how many requests fail meanwhile is told, and decides nothing.
    """
    variants = [v for v in campaign.manifest.variants if v.target in _names(campaign) and not v.aa]
    events = campaign.events[campaign.events["variant"].isin([variant.name for variant in variants])]
    said, figures, outcomes = [], [], []
    for variant in variants:
        for number, own in select(events, variant=variant.name).groupby("number", sort=True):
            if not _is_to_end(campaign, variant, int(str(number))):
                continue
            text, outcome = _told(campaign, own)
            said.append((_VERDICTS[outcome], text))
            outcomes.append((str(own.iloc[0]["kind"]), outcome))
            if (found := down(own)) is not None:
                name = f"{own.iloc[0]['kind']} {own.iloc[0]['service']}, {DOWN.name}"
                figures.append(Figure(variant.name, name, found.median, found.low, found.high, found.n))
    if not outcomes:
        why = (
            "no event that was to end happened there"
            if variants
            else missing(campaign, campaign.manifest.capabilities.orchestrated())
        )
        return Finding("not measured", sentence([why]), ())
    # One of each kind first.
    firsts = {kind: place for place, (kind, _) in reversed(list(enumerate(outcomes)))}
    evidence = brief([said[i] for i in sorted(range(len(said)), key=lambda i: i not in firsts.values())], len(firsts))
    ends = {outcome for _, outcome in outcomes}
    if "never" in ends:
        return Finding("refuted", evidence, tuple(figures))
    if absent := [kind for kind in _DECIDING if kind not in {kind for kind, _ in outcomes}]:
        return Finding("not measured", f"{evidence} Not measured: {' and '.join(absent)}.", tuple(figures))
    verdict: Verdict = "supported" if ends == {"always"} else "not resolved"
    return Finding(verdict, evidence, tuple(figures))


def occurs(campaign: Campaign) -> bool:
    """Whether the experiment deploys on an orchestrated target, by itself or in a placement."""
    return any(variant.target in _names(campaign) for variant in campaign.experiment.variants)


def _names(campaign: Campaign) -> set[str]:
    """The orchestrated targets, and the placements that hold one."""
    placements = campaign.experiment.placements
    orchestrated = set(campaign.manifest.capabilities.orchestrated())
    return {*orchestrated, *(name for name, place in placements.items() if set(place.values()) & orchestrated)}


def _is_to_end(campaign: Campaign, variant: Variant, number: int) -> bool:
    spec = spec_of(campaign, variant, number)
    return spec is None or spec.again


def _told(campaign: Campaign, own: pd.DataFrame) -> tuple[str, str]:
    first, times = own.iloc[0], down(own)
    recovered, label = int(own["recovered"].sum()), campaign.label(str(first["variant"]))
    failed = own["failed_during"] + own["failed_after"]
    did = _DONE[str(first["kind"])].format(first["service"])
    took = "never while it was watched" if times is None else f"in {figure(DOWN, times)}"
    text = f"on {label} {did} {took}, {recovered} of {len(own)} times; {failed.median():g} requests failed meanwhile"
    return text, "never" if recovered == 0 else "always" if recovered == len(own) else "sometimes"


CLAIM = Claim(
    "orchestration",
    "An orchestrator deploys, scales and keeps services available by itself.",
    "Time to heal a killed replica, to N replicas and to a new version; failed requests meanwhile.",
    check,
    occurs,
)
