"""Claim *independent change*."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.analysis.claims.base import Claim, Figure, Finding, Verdict
from harness.analysis.claims.functions import Pair, brief, combined, has_event, has_set, pairs
from harness.analysis.events import down
from harness.analysis.formatting import figure, listed
from harness.analysis.intervals import Estimate, of_differences, of_trials
from harness.analysis.selection import select
from harness.units import DOWN

if TYPE_CHECKING:
    from harness.analysis.campaign import Campaign
    from harness.records.variant import Variant


def check(campaign: Campaign) -> Finding:
    """One service of a set is replaced by its next version, against replacing the whole monolith.

    Compared are the failed requests of the other functions, during and after the change, by block: supported where the
    monolith's change costs them more (the interval of the difference excludes 0), refuted where the set's does. Every
    combination of target and proxy must support; an emulated one is shown, and decides only if there is no other.
    """
    found = [pair for pair in pairs(campaign, "replace") if pair.whole is not None]
    if not found:
        return Finding("not measured", _why_not(campaign))
    judged = [(pair, *_judge(pair)) for pair in found]
    figures = tuple(entry for pair, _, _ in judged for entry in _figures(pair))
    evidence = brief([(pair.said(verdict), text) for pair, verdict, text in judged])
    real = [verdict for pair, verdict, _ in judged if not pair.emulated]
    if not real:
        return Finding("emulated only", evidence, figures)
    return Finding(combined(real), evidence, figures)


def _judge(pair: Pair) -> tuple[Verdict, str]:
    if pair.whole is None:
        raise ValueError("a change is judged against the monolith's")
    (split, _), (whole, _) = (pair.failed(v, pair.others, "during", "after") for v in (pair.split, pair.whole))
    label = pair.campaign.label
    if not len(split):
        return "not resolved", f"{label(pair.split.name)} and {label(pair.whole.name)} have no block in common"
    difference = of_differences(whole, split)
    text = (
        f"replacing {pair.service} in {label(pair.split.name)} took {_time(pair, pair.split)} and failed "
        f"{_count(of_trials(split))} requests of the other functions ({listed(pair.others)}), replacing "
        f"{label(pair.whole.name)} {_time(pair, pair.whole)} and {_count(of_trials(whole))}"
    )
    if difference is None or difference.low is None or difference.high is None:
        return "not resolved", text
    if difference.low > 0:
        return "supported", text
    return ("refuted" if difference.high < 0 else "not resolved"), text


def _time(pair: Pair, variant: Variant) -> str:
    frame = pair.campaign.events
    found = down(select(frame, variant=variant.name, number=pair.number))
    return "longer than was watched" if found is None else figure(DOWN, found)


def _count(found: Estimate) -> str:
    if found.low is None or found.high is None:
        return f"{found.median:g} (one trial)"
    return f"{found.median:g} ({max(found.low, 0):.0f} to {found.high:.0f})"


def _figures(pair: Pair) -> list[Figure]:
    made = []
    for variant in (pair.split, pair.whole):
        if variant is None:
            continue
        failed, _ = pair.failed(variant, pair.others, "during", "after")
        if len(failed):
            found = of_trials(failed)
            name = f"failed requests of {', '.join(pair.others)}"
            made.append(Figure(variant.name, name, found.median, found.low, found.high, found.n))
    return made


def _why_not(campaign: Campaign) -> str:
    if campaign.events.empty:
        return "No trial that counts has the event."
    if not campaign.manifest.routes:
        return "The campaign does not tell which services answer which paths."
    return "It needs the event in a set and in the monolith of one combination, and tasks named for what they ask for."


CLAIM = Claim(
    "independent change",
    "One microservice is changed without redeploying the application; a monolith is redeployed whole.",
    "Time, and failed requests of the other functions, while one function is replaced, both ways.",
    check,
    lambda campaign: has_set(campaign) and has_event(campaign, "replace"),
)
