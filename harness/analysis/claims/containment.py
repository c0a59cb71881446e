"""Claim *fault containment*."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.analysis.claims.base import Claim, Figure, Finding, Verdict
from harness.analysis.claims.functions import Pair, brief, combined, has_event, has_set, pairs
from harness.analysis.formatting import listed, percents
from harness.analysis.intervals import Estimate, of_trials

if TYPE_CHECKING:
    from harness.analysis.campaign import Campaign
    from harness.records.variant import Variant

CONTAINED = 0.01
"""The largest share of the other functions' requests that may fail while a service is down."""


def check(campaign: Campaign) -> Finding:
    """A service is killed: of the requests for the other functions, which share fails until it answers again?

    Supported: in the set at most 1 % (the whole interval), and in the monolith more than that, or the fault would have
    shown nothing. Refuted: in a set more than 1 %. Where nobody noticed the kill it is not resolved. Whether a request
    fails does not depend on emulation, only how long the service is down; but where every combination is emulated the
    verdict is ``emulated only``.
    """
    judged = [(pair, *_judge(pair)) for pair in pairs(campaign, "kill")]
    if not judged:
        return Finding("not measured", _why_not(campaign))
    figures = tuple(entry for pair, _, _ in judged for entry in _figures(pair))
    evidence = brief([(pair.said(verdict), text) for pair, verdict, text in judged])
    real = [verdict for pair, verdict, _ in judged if not pair.emulated]
    if not real:
        return Finding("emulated only", evidence, figures)
    # A set without its monolith can refute, but not support.
    told = [verdict for verdict in real if verdict != "not measured"]
    return Finding(combined(told) if told else "not measured", evidence, figures)


def _judge(pair: Pair) -> tuple[Verdict, str]:
    label = pair.campaign.label
    split = _shares(pair, pair.split, pair.others)
    if split is None:
        return "not measured", f"no request for another function while {label(pair.split.name)} lacked {pair.service}"
    felt = _shares(pair, pair.split, pair.own)
    text = (
        f"while {pair.service} was down in {label(pair.split.name)}, {percents(split)} of the requests for the other "
        f"functions failed ({listed(pair.others)})"
    )
    if split.low is not None and split.low > CONTAINED:
        return "refuted", text
    whole = None if pair.whole is None else _shares(pair, pair.whole, pair.others)
    if pair.whole is None or whole is None:
        return "not measured", f"{text}; no monolith was killed beside it"
    text += f", against {percents(whole)} in {label(pair.whole.name)}"
    if felt is None or felt.median == 0:
        return "not resolved", f"{text}; nobody noticed that {pair.service} was down"
    if split.high is None or whole.low is None:
        return "not resolved", text
    return ("supported" if split.high <= CONTAINED < whole.low else "not resolved"), text


def _shares(pair: Pair, variant: Variant, tasks: tuple[str, ...]) -> Estimate | None:
    failed, requests = pair.failed(variant, tasks, "during")
    there: NDArray[np.bool_] = requests > 0
    return of_trials(failed[there] / requests[there]) if there.any() else None


def _figures(pair: Pair) -> list[Figure]:
    made = []
    for variant in (pair.split, pair.whole):
        for tasks in (pair.own, pair.others):
            found = None if variant is None else _shares(pair, variant, tasks)
            if variant is not None and found is not None:
                name = f"failed share of {', '.join(tasks)} while {pair.service} is down"
                made.append(Figure(variant.name, name, found.median, found.low, found.high, found.n))
    return made


def _why_not(campaign: Campaign) -> str:
    if campaign.events.empty:
        return "No trial that counts has the event."
    if not campaign.manifest.routes:
        return "The campaign does not tell which services answer which paths."
    return "It needs a kill of one service of a set, and tasks named for what they ask for."


CLAIM = Claim(
    "fault containment",
    "Breaking one component does not break the others.",
    "Failed requests of the other functions while one service is down, in a set and in the monolith.",
    check,
    lambda campaign: has_set(campaign) and has_event(campaign, "kill"),
)
