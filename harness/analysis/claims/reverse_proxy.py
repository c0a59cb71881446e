"""Claim *reverse proxy*."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.analysis.claims.base import Claim, Figure, Finding, Verdict
from harness.analysis.claims.functions import brief, combined
from harness.analysis.claims.proxies import is_reverse, what_it_adds
from harness.analysis.formatting import percent

if TYPE_CHECKING:
    from harness.analysis.campaign import Campaign
    from harness.records.variant import Variant

FAIR = 0.5
"""A replica takes part if it gets at least this share of what would be its equal part."""


def check(campaign: Campaign) -> Finding:
    """Behind each reverse proxy one server answers, and of several each takes part.

    Every answer of a trial that counts was the expected one, so the proxy fetched it. Supported: there are such trials
    with several replicas, and in all of them every replica got at least half of its equal part. Refuted: in every trial
    of a variant some replica got less. Added latency, and what failed while one of several replicas was down, are told
    and decide nothing. Holds under emulation, where times are the emulator's.
    """
    counted = set(campaign.counted["variant"])
    variants = [v for v in campaign.manifest.variants if is_reverse(campaign, v) and v.name in counted and not v.aa]
    if not variants:
        return Finding("not measured", "No variant with a reverse proxy has a trial that counts.")
    said: list[tuple[str, str]] = []
    verdicts: list[Verdict] = []
    figures: list[Figure] = []
    for variant in variants:
        added, more = what_it_adds(campaign, variant)
        spread, verdict, shares = _spread(campaign, variant)
        told = [f"latency {added}" if added else "", spread, _while_down(campaign, variant)]
        text = ", ".join(part for part in told if part) or "answered"
        verdicts += [verdict] if verdict is not None else []
        said.append((verdict or "", f"through {campaign.label(variant.name)}: {text}"))
        figures += [*more, *shares]
    evidence = brief(said)
    if not verdicts:
        return Finding("not measured", f"{evidence} The spread over replicas was not measured.", tuple(figures))
    return Finding(combined(verdicts), evidence, tuple(figures))


def _spread(campaign: Campaign, variant: Variant) -> tuple[str, Verdict | None, list[Figure]]:
    """How the proxy spread requests over replicas: the words, the verdict (None with one replica), the figures."""
    mine = campaign.served[(campaign.served["variant"] == variant.name) & (campaign.served["replicas"] > 1)]
    if mine.empty:
        return "", None, []
    least = (mine["share"] >= FAIR / mine["replicas"]).groupby(mine["trial"]).all()
    verdict: Verdict = "supported" if least.all() else "refuted" if not least.any() else "not resolved"
    low, high = float(mine["share"].min()), float(mine["share"].max())
    figures = [
        Figure(variant.name, f"share of {name}", float(own.median()), float(own.min()), float(own.max()), len(own))
        for name, own in mine.groupby("instance", sort=False)["share"]
    ]
    return (
        f"each of {variant.replicas} replicas got {percent(low)} to {percent(high)} of the requests",
        verdict,
        figures,
    )


def _while_down(campaign: Campaign, variant: Variant) -> str:
    if variant.replicas == 1:
        return ""
    events = campaign.events
    mine = events[(events["variant"] == variant.name) & (events["kind"] == "kill") & (events["requests_during"] > 0)]
    if mine.empty:
        return ""
    share = float((mine["failed_during"] / mine["requests_during"]).median())
    return f"{percent(share)} of the requests failed while one was down"


CLAIM = Claim(
    "reverse proxy",
    "A reverse proxy fetches from one or more servers for the client.",
    "Added latency against direct; the spread over replicas; failed requests while one is down.",
    check,
    lambda campaign: any(is_reverse(campaign, variant) for variant in campaign.experiment.variants),
)
